/**
 * The guide's panel, of worlds that take one: a source is chosen, its picture shown small and, if wanted, beside what was
 * painted after it. Loaded when it is first opened; what is chosen goes on while it is shut, until the world is left.
 */
import { createHeldValue } from "../action/held-value";
import type { LoopFrame } from "../loop/game-loop";
import { greyGuide } from "../model/conditioning";
import { createGuideHash } from "../model/guide-hash";
import { rgbaOf } from "../model/rgb";
import { button, chooseFile, element, giveKeysBack, make } from "./elements";
import { createGuideCanvas } from "./guide-canvas";
import { createGuideFeed, type OpenGuide } from "./guide-feed";
import { cameras, imageFile, screen, videoFile, webcam } from "./guide-sources";
import { createSplit } from "./guide-split";
import { announce, complain } from "./notices";
import type { Session } from "./session";
import "./guide.css";

const connected = new WeakSet<Session>();

/** Shows or hides the panel. */
export function toggleGuide(session: Session): void {
  const panel = element("guide-panel", HTMLElement);
  const hadFocus = panel.contains(document.activeElement);
  panel.hidden = !panel.hidden;
  button("guide").setAttribute("aria-expanded", String(!panel.hidden));
  if (!connected.has(session)) connect(session, panel);
  connected.add(session);
  if (!panel.hidden) panel.querySelector<HTMLElement>("[aria-pressed=true]")?.focus();
  else if (hadFocus) element("view", HTMLElement).focus();
}

function connect(session: Session, panel: HTMLElement): void {
  const { world, loop, signal } = session;
  const { picture: size, frameRate } = world.manifest;
  const draw = createGuideCanvas(size, document.createElement("canvas"));
  const picture = make("canvas", { ...size, role: "img", ariaLabel: "The guide" });
  const tools = make("div", { className: "choices" });
  const split = createSplit(session);
  const feed = createGuideFeed({
    nothing: greyGuide(world.manifest),
    onChange: () => show(),
    onEnd: (name, why) => complain(`${name}: there is no guide now`, why),
  });

  /** From a pause that the page asked for. */
  const goOn = () => {
    const state = loop.state.value;
    if (state.name === "paused" && state.resumable && !document.hidden) loop.resume();
  };
  const choose = async (name: string | null, open?: OpenGuide) => {
    await feed.choose(name, open);
    if (feed.name) goOn(); // the browser's question has taken the focus
    if (document.activeElement !== picture) giveKeysBack(); // a scene is flown through at once
  };
  const chooseCamera = async (name: string) => {
    const { value } = camera;
    await choose(
      name,
      webcam(draw, frameRate, () => mirror.checked, value || undefined),
    );
    if (feed.name !== name) {
      camera.value = ""; // it may be gone
      return;
    }
    const found = [{ deviceId: "", label: "Any camera" }, ...(await cameras())];
    const options = found.map(({ deviceId, label }) =>
      make("option", { value: deviceId, textContent: label, selected: deviceId === value }),
    );
    camera.replaceChildren(...options);
    show();
  };
  const scene: OpenGuide = async (ended) => {
    const { greyBoxScene } = await import("./grey-box-controls");
    return greyBoxScene(draw, { size, frameRate, picture, tools, goOn })(ended);
  };
  const sources = {
    None: () => void choose(null),
    Webcam: (name) => void chooseCamera(name),
    "Screen or tab": (name) => void choose(name, screen(draw, frameRate)),
    "Video file": (name) => chooseFile("video/*", (file) => void choose(name, videoFile(file, draw))),
    "Image file": (name) => chooseFile("image/*", (file) => void choose(name, imageFile(file, size))),
    "Grey-box scene": (name) => void choose(name, scene),
  } satisfies Record<string, (name: string) => void>;
  const choices = Object.entries(sources).map(([name, run]) =>
    make("button", { type: "button", textContent: name, onclick: () => run(name) }),
  );
  const camera = make("select", { ariaLabel: "Camera", onchange: () => sources.Webcam("Webcam") });
  const mirror = make("input", { type: "checkbox", checked: true, onchange: () => feed.resend() });
  const mirrored = make("label", { className: "check" }, mirror, "Mirror");
  const both = make("input", { type: "checkbox", checked: true, onchange: () => show() });
  const compared = make("label", { className: "check" }, both, "Before and after");
  const group = make("div", { className: "choices", role: "group", ariaLabel: "Source" }, ...choices);
  const built = make("div", { className: "scene" }, picture, tools);
  panel.replaceChildren(
    make("div", { className: "choices" }, group, camera, mirrored, compared, ...strengthOf(session)),
    built,
    make("small", {}, "No frame leaves this machine: the network that paints after them runs here."),
  );

  const show = () => {
    const name = feed.name ?? "None";
    for (const choice of choices) choice.setAttribute("aria-pressed", String(choice.textContent === name));
    mirrored.hidden = name !== "Webcam";
    camera.hidden = mirrored.hidden || camera.length <= 2; // nothing to choose from
    compared.hidden = feed.name === null;
    built.hidden = name !== "Grey-box scene";
    split.setShown(both.checked && feed.name !== null);
    announce(feed.name ? `Guide: ${feed.name}.` : "No guide.");
  };
  show();

  const context = picture.getContext("2d");
  const hash = createGuideHash(greyGuide(world.manifest));
  const follow = ({ frame, action, guide }: LoopFrame) => {
    if (action === null) {
      feed.resend(); // a world that begins anew, or goes back, has another guide or none
      hash.goneTo(frame.tick);
    } else hash.add(frame.tick, guide);
    if (!guide) return;
    context?.putImageData(new ImageData(rgbaOf(guide), size.width, size.height), 0, 0);
    split.show(guide);
  };
  session.guideBy({ take: feed.take, follow, sha256: hash.read });
  loop.state.subscribe(({ name }) => feed.run(name === "running"));
  signal.addEventListener("abort", () => void feed.choose(null));
  window.addEventListener("pagehide", () => void feed.choose(null), { signal });
}

/** A slider, where the world has such an action. */
function strengthOf({ world, addSource }: Session): HTMLElement[] {
  const { actions } = world.manifest;
  const index = actions.findIndex(({ name }) => name === "strength");
  const spec = actions[index];
  if (!spec) return [];
  const { min, max, rest } = spec;
  const held = createHeldValue(actions, index);
  addSource(held);
  const range = make("input", { type: "range", min: String(min), max: String(max), step: "0.05", value: String(rest) });
  range.oninput = ({ timeStamp }) => held.set(Number(range.value), timeStamp);
  return [make("label", { className: "row" }, "Strength", range)];
}
