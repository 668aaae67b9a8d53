// The screen and the floor in WebGL. Enters: a video. Leaves: pictures, on a canvas or in a headset.
import { curvedScreen, floorLines } from "./curved-screen";

const VERTEX = `#version 300 es
in vec3 place;
in vec2 at;
uniform mat4 projection, view;
out vec2 on;
void main() {
  on = at;
  gl_Position = projection * view * vec4(place, 1.0);
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
in vec2 on;
uniform sampler2D film;
uniform vec4 plain;
out vec4 colour;
void main() {
  colour = plain.a > 0.0 ? plain : texture(film, on);
}`;
const FLOOR = [0.25, 0.25, 0.3, 1] as const;
const FLOATS = 5;

export interface View {
  readonly projection: Float32Array;
  readonly view: Float32Array;
  /** x, y, width, height in pixels. */
  readonly viewport: readonly [number, number, number, number];
}

export interface Scene {
  readonly gl: WebGL2RenderingContext;
  readonly widthDeg: number;
  draw(views: readonly View[], framebuffer: WebGLFramebuffer | null, showsWorld: boolean): void;
  end(): void;
}

/** Throws where there is no WebGL 2. */
export function makeScene(canvas: HTMLCanvasElement, video: HTMLVideoElement, fieldDeg: number, eyeHeightM: number): Scene {
  const gl = canvas.getContext("webgl2", { xrCompatible: true, alpha: true, antialias: true });
  if (!gl) throw new Error("no WebGL 2");
  const program = makeProgram(gl);
  const screen = curvedScreen(fieldDeg, video.videoWidth / video.videoHeight);
  const screenShape = makeShape(gl, program, screen.corners);
  const floor = floorLines(eyeHeightM);
  const floorShape = makeShape(gl, program, floor);
  const film = makeTexture(gl);
  const uniform = (name: string) => gl.getUniformLocation(program, name);
  const [projection, view, plain] = [uniform("projection"), uniform("view"), uniform("plain")];

  return {
    gl,
    widthDeg: Math.round(screen.widthDeg),
    draw(views, framebuffer, showsWorld) {
      gl.bindFramebuffer(gl.FRAMEBUFFER, framebuffer);
      gl.clearColor(0, 0, 0, showsWorld ? 0 : 1);
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.useProgram(program);
      gl.bindTexture(gl.TEXTURE_2D, film);
      if (video.readyState >= video.HAVE_CURRENT_DATA) gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, video);
      for (const each of views) {
        gl.viewport(...each.viewport);
        gl.uniformMatrix4fv(projection, false, each.projection);
        gl.uniformMatrix4fv(view, false, each.view);
        if (!showsWorld) {
          // The screen is drawn over it, so nothing needs a depth.
          gl.uniform4f(plain, ...FLOOR);
          gl.bindVertexArray(floorShape);
          gl.drawArrays(gl.LINES, 0, floor.length / FLOATS);
        }
        gl.uniform4f(plain, 0, 0, 0, 0);
        gl.bindVertexArray(screenShape);
        gl.drawArrays(gl.TRIANGLE_STRIP, 0, screen.corners.length / FLOATS);
      }
    },
    end() {
      gl.getExtension("WEBGL_lose_context")?.loseContext();
    },
  };
}

function makeProgram(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(type);
    if (!shader) throw new Error("the WebGL context is lost");
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) ?? "shaders do not link");
  return program;
}

function makeShape(gl: WebGL2RenderingContext, program: WebGLProgram, corners: Float32Array): WebGLVertexArrayObject {
  const shape = gl.createVertexArray();
  gl.bindVertexArray(shape);
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, corners, gl.STATIC_DRAW);
  for (const [name, size, offset] of [
    ["place", 3, 0],
    ["at", 2, 3],
  ] as const) {
    const attribute = gl.getAttribLocation(program, name);
    gl.enableVertexAttribArray(attribute);
    gl.vertexAttribPointer(attribute, size, gl.FLOAT, false, FLOATS * 4, offset * 4);
  }
  return shape;
}

function makeTexture(gl: WebGL2RenderingContext): WebGLTexture {
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  for (const [name, value] of [
    [gl.TEXTURE_MIN_FILTER, gl.LINEAR],
    [gl.TEXTURE_MAG_FILTER, gl.LINEAR],
    [gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE],
    [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE],
  ] as const) {
    gl.texParameteri(gl.TEXTURE_2D, name, value);
  }
  return texture;
}
