/**
 * The page of `collect --watch`: draws each world's newest picture, and says under it what is played there. Messages
 * come from `watch.ts`: text about the whole, binary for a picture.
 */

/** @typedef {{ world: number, episode: number, tick: number, width: number, height: number }} Shown */
/** @typedef {{ picture: CanvasRenderingContext2D, caption: HTMLElement }} Place */

const list = /** @type {HTMLElement} */ (document.getElementById("worlds"));
const status = /** @type {HTMLElement} */ (document.getElementById("status"));
/** @type {Map<number, Place>} */
const places = new Map();
let about = { world: "", policy: "", frames: 0 };

const socket = new WebSocket(new URL("ws", location.href.replace(/^http/, "ws")));
socket.binaryType = "arraybuffer";
socket.addEventListener("message", ({ data }) => {
  if (typeof data === "string") introduce(JSON.parse(data));
  else draw(data);
});
socket.addEventListener("close", () => {
  status.textContent = "The collecting has ended, or this page was sent away.";
});

/** @param {typeof about} told */
function introduce(told) {
  about = told;
  for (const title of [document.querySelector("title"), document.querySelector("h1")]) {
    if (title) title.textContent = `Worldloop: collecting ${about.world}`;
  }
}

/** @param {ArrayBuffer} message the length of a JSON text as uint32, the text, uint8 [H, W, 3] */
function draw(message) {
  const end = 4 + new DataView(message).getUint32(0, true);
  /** @type {Shown} */
  const shown = JSON.parse(new TextDecoder().decode(new Uint8Array(message, 4, end - 4)));
  const rgb = new Uint8Array(message, end);
  const { picture, caption } = places.get(shown.world) ?? add(shown);
  const image = picture.createImageData(shown.width, shown.height);
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
    image.data.set(rgb.subarray(from, from + 3), to);
    image.data[to + 3] = 255;
  }
  picture.putImageData(image, 0, 0);
  caption.textContent = `episode ${shown.episode}, frame ${shown.tick + 1} of ${about.frames}, ${about.policy}`;
}

/** @param {Shown} shown @returns {Place} */
function add({ world, width, height }) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `The picture of world ${world}`);
  const caption = document.createElement("figcaption");
  const figure = document.createElement("figure");
  figure.append(canvas, caption);
  const item = document.createElement("li");
  item.append(figure);
  list.append(item);
  const place = { picture: /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")), caption };
  places.set(world, place);
  status.textContent = places.size === 1 ? "One world is being played." : `${places.size} worlds are being played.`;
  return place;
}

export {}; // a module: its names are its own
