/**
 * Radial, rescaled dead zone of a stick. Per-axis zones (what `gamepad.js` offers) bend diagonal movement into a
 * cross, and zones without rescaling jump from 0 to the zone's edge; see J. Sutphin, "Doing Thumbstick Dead Zones Right".
 */

/**
 * @param x, y deflection of the stick, each in [-1, 1]
 * @param zone radius that counts as rest, [0, 1)
 * @returns deflection in the unit circle: 0 inside the zone, rising from 0 at its edge to 1 at full deflection
 */
export function radialDeadZone(x: number, y: number, zone: number): readonly [number, number] {
  const length = Math.hypot(x, y);
  if (length <= zone) return [0, 0];
  const scaled = Math.min(1, (length - zone) / (1 - zone)) / length;
  return [x * scaled, y * scaled];
}
