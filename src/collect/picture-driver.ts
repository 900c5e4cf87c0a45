/**
 * Drives car-racing by the dreamed picture alone; the same driver as `training/worlds/picture_driver.py`. It steers to
 * where the road lies ahead, slower where that bends, and remembers the side on which it last saw the road.
 */
import type { Policy } from "./policy";

const SIDE = 96; // pixels of the picture
const [CAR_ROW, CAR_COLUMN] = [70, 48];
const NEAR = 14; // pixels that the road's middle may shift between two rows looked at
const clip = (value: number, min: number, max: number) => Math.min(Math.max(value, min), max);
const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

export function createPictureDriver(): Policy {
  let side = 0; // pixels right of the car
  let before: Uint8Array | null = null;
  let pace = 0; // mean change of a colour value: a stand-in for speed
  return {
    begin() {
      [side, before, pace] = [0, null, 0];
    },
    act(picture) {
      const road = roadMask(picture);
      const offsets = followRoad(road);
      let steer: number;
      if (offsets.length >= 3) {
        side = offsets[Math.min(6, offsets.length - 1)] as number;
        steer = 0.05 * (offsets[Math.min(4, offsets.length - 1)] as number) + 0.02 * side;
      } else {
        const columns = columnsBetween(road, 20, CAR_ROW);
        if (columns.length > 0) side = mean(columns) - CAR_COLUMN;
        steer = Math.sign(side) * 0.8;
      }
      const moved = before ? meanChange(before, picture) : 0;
      before = picture.slice();
      pace += 0.3 * (moved - pace);
      const wanted = offsets.length >= 9 ? 2.6 : 1.6;
      const gas = clip(0.25 * (wanted - pace), 0, 0.5);
      const brake = clip(0.2 * (pace - wanted - 0.5), 0, 0.5);
      return Float32Array.of(clip(steer, -1, 1), gas, brake);
    },
    close() {
      before = null;
    },
  };
}

/** Which pixels are road or kerb: anything that isn't green; the car isn't either. 1 or 0, [96, 96]. */
function roadMask(picture: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: SIDE * SIDE }, (_, pixel) => {
    const [row, column] = [Math.floor(pixel / SIDE), pixel % SIDE];
    const onCar = row >= CAR_ROW - 8 && row < CAR_ROW + 6 && column >= CAR_COLUMN - 3 && column < CAR_COLUMN + 4;
    const [r, g, b] = [0, 1, 2].map((channel) => picture[pixel * 3 + channel]) as [number, number, number];
    return !onCar && g - r < 30 && g - b < 60 ? 1 : 0;
  });
}

/** How far the middle of the road lies right of the car, row by row from just ahead of the car upwards. */
function followRoad(road: Uint8Array): number[] {
  let centre = CAR_COLUMN;
  const offsets: number[] = [];
  for (let row = CAR_ROW - 10; row > 15; row -= 3) {
    const near = columnsBetween(road, row, row + 1).filter((column) => Math.abs(column - centre) < NEAR);
    if (near.length < 4) break;
    centre = mean(near);
    offsets.push(centre - CAR_COLUMN);
  }
  return offsets;
}

/** Columns with road in any of these rows. */
function columnsBetween(road: Uint8Array, first: number, end: number): number[] {
  const rows = Array.from({ length: end - first }, (_, i) => first + i);
  return Array.from({ length: SIDE }, (_, column) => column).filter((column) =>
    rows.some((row) => road[row * SIDE + column] === 1),
  );
}

function meanChange(before: Uint8Array, picture: Uint8Array): number {
  return picture.reduce((sum, value, i) => sum + Math.abs(value - (before[i] as number)), 0) / picture.length;
}
