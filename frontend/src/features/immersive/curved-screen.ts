// A curved screen: a part of a cylinder around the eye, as wide as the creature sees, no higher than one can look.

/** Metres from the eye: far enough that both eyes of a person see it without effort. */
export const RADIUS_M = 3;
/** Narrower is a telephone; wider than half a circle nobody sees at once. */
const ANGLES_DEG = { least: 40, most: 180 };
/** Up and down from the middle; beyond that a neck hurts. */
const MOST_UP_DEG = 50;
const COLUMNS = 64;

export interface Screen {
  readonly widthDeg: number;
  readonly heightM: number;
  /** Triangle strip: x, y, z, u, v for each corner. */
  readonly corners: Float32Array;
}

export function curvedScreen(fieldDeg: number, aspect: number): Screen {
  const highestM = 2 * RADIUS_M * Math.tan(radians(MOST_UP_DEG));
  const widestDeg = degrees((highestM * aspect) / RADIUS_M);
  const widthDeg = Math.min(Math.max(fieldDeg, ANGLES_DEG.least), ANGLES_DEG.most, widestDeg);
  const heightM = (RADIUS_M * radians(widthDeg)) / aspect; // the film is not stretched
  const corners: number[] = [];
  for (let column = 0; column <= COLUMNS; column++) {
    const u = column / COLUMNS;
    const angle = radians(widthDeg) * (u - 0.5);
    const x = RADIUS_M * Math.sin(angle);
    const z = -RADIUS_M * Math.cos(angle);
    corners.push(x, heightM / 2, z, u, 0, x, -heightM / 2, z, u, 1);
  }
  return { widthDeg, heightM, corners: new Float32Array(corners) };
}

/** Lines of a floor below the eye, a metre apart: how near the ground is. x, y, z, 0, 0 for each end. */
export function floorLines(eyeHeightM: number): Float32Array {
  const reach = 12;
  const ends: number[] = [];
  for (let at = -reach; at <= reach; at++) {
    ends.push(at, -eyeHeightM, -reach, 0, 0, at, -eyeHeightM, reach, 0, 0);
    ends.push(-reach, -eyeHeightM, at, 0, 0, reach, -eyeHeightM, at, 0, 0);
  }
  return new Float32Array(ends);
}

export const radians = (angle: number): number => (angle * Math.PI) / 180;
const degrees = (angle: number): number => (angle * 180) / Math.PI;
