// Where one looks without a headset: turned by dragging or by the arrow keys. Matrices are 4x4, column by column.
import { radians } from "./curved-screen";

export interface Look {
  readonly yawDeg: number;
  readonly pitchDeg: number;
}

export const AHEAD: Look = { yawDeg: 0, pitchDeg: 0 };
const KEY_DEG = 5;
const MOST_PITCH_DEG = 80;

export function turned({ yawDeg, pitchDeg }: Look, byYawDeg: number, byPitchDeg: number): Look {
  return { yawDeg: yawDeg + byYawDeg, pitchDeg: Math.max(-MOST_PITCH_DEG, Math.min(MOST_PITCH_DEG, pitchDeg + byPitchDeg)) };
}

/** What a key does; null: nothing. */
export function turnedByKey(look: Look, key: string): Look | null {
  switch (key) {
    case "ArrowLeft":
      return turned(look, KEY_DEG, 0);
    case "ArrowRight":
      return turned(look, -KEY_DEG, 0);
    case "ArrowUp":
      return turned(look, 0, KEY_DEG);
    case "ArrowDown":
      return turned(look, 0, -KEY_DEG);
    case "Home":
      return AHEAD;
    default:
      return null;
  }
}

/** From the world to the eye: yaw to the left and pitch upwards are positive. */
export function viewMatrix({ yawDeg, pitchDeg }: Look): Float32Array {
  const [sy, cy] = [Math.sin(radians(-yawDeg)), Math.cos(radians(-yawDeg))];
  const [sp, cp] = [Math.sin(radians(-pitchDeg)), Math.cos(radians(-pitchDeg))];
  return new Float32Array([cy, sp * sy, -cp * sy, 0, 0, cp, sp, 0, sy, -sp * cy, cp * cy, 0, 0, 0, 0, 1]);
}

export function projection(verticalDeg: number, aspect: number): Float32Array {
  const [near, far] = [0.05, 50];
  const f = 1 / Math.tan(radians(verticalDeg) / 2);
  return new Float32Array([f / aspect, 0, 0, 0, 0, f, 0, 0, 0, 0, (far + near) / (near - far), -1, 0, 0, (2 * far * near) / (near - far), 0]);
}
