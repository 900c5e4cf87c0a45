/** The part of gamepad.js 3.0.1 that Worldloop uses; the package brings no types. */
declare module "gamepad.js" {
  export interface PadEvents {
    "gamepad:connected": { index: number; gamepad: Gamepad };
    "gamepad:disconnected": { index: number };
    "gamepad:axis": { index: number; gamepad: Gamepad; axis: number; value: number };
    "gamepad:button": { index: number; gamepad: Gamepad; button: number; value: number };
  }
  export class GamepadListener {
    /** @throws Error when the browser has no gamepad interface */
    constructor(options?: { analog?: boolean; deadZone?: number; precision?: number });
    on<K extends keyof PadEvents>(name: K, listener: (event: { detail: PadEvents[K] }) => void): void;
    start(): void;
    stop(): void;
    /** Reads all pads now and emits what changed. */
    update(): void;
    /** What `update` does with each place: null when no pad is there. */
    protected discover(gamepad: Gamepad | null, index: number): void;
  }
}
