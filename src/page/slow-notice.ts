/**
 * One plain notice when the world doesn't keep its pace here: what was measured, why as far as can be known, and what to
 * do about it. Shown once for a world and what runs it; whoever closes it isn't told again.
 */
import type { Speed } from "../loop/game-loop";
import { createPace, type Verdict } from "../loop/pace";
import type { World } from "../model/world";
import { setSpeed } from "./controls";
import { make } from "./elements";
import { notify, type Remedy } from "./notices";
import type { Session } from "./session";
import { keep, recall } from "./settings";

const TITLE = "Slower than this world is meant to be";
const MOST_REMEDIES = 3;
/** A tick that was this much shorter earlier in the session says that the machine has slowed down since. */
const SLOWED_DOWN = 0.6;

/** What can be known of the machine and the page, besides the times. */
export interface Circumstances {
  readonly backend: World["backend"];
  readonly view: string;
  readonly isIsolated: boolean;
  readonly cores: number;
  readonly isOnBattery: boolean;
  readonly hasGpu: boolean;
  readonly speed: number;
  readonly isRecording: boolean;
}

/** @returns a way to disconnect it, when another world is opened */
export function connectSlowNotice(session: Session): () => void {
  const { world, loop } = session;
  const pace = createPace();
  const { name, threads, arithmetic = "" } = world.backend;
  const about = `${world.manifest.name} ${name} ${threads} ${arithmetic}`;
  let close: (() => void) | undefined;
  const watching = loop.frames.subscribe((made) => {
    if (loop.state.value.name !== "running" || document.hidden) return;
    const verdict = pace.add(made, loop.period());
    if (!verdict || isTold(about)) return;
    watching.unsubscribe();
    void lookAround(session).then((around) => {
      close = show(session, verdict, around, () => keepTold(about));
    });
  });
  return () => {
    watching.unsubscribe();
    close?.();
  };
}

const toldOf = () => {
  const kept = recall("slow-told");
  return Array.isArray(kept) ? kept.map(String) : [];
};
const isTold = (about: string) => toldOf().includes(about);
const keepTold = (about: string) => keep("slow-told", [...toldOf(), about].slice(-50));

function show(session: Session, verdict: Verdict, around: Circumstances, onClose: () => void): () => void {
  const reasons = reasonsFor(verdict, around);
  return notify({
    title: TITLE,
    content: [
      make("p", {}, measured(verdict)),
      ...(reasons.length > 0 ? [make("ul", {}, ...reasons.map((text) => make("li", {}, text)))] : []),
    ],
    remedies: remediesFor(verdict, around, session),
    onClose,
  });
}

export function measured({ slow, p95, period, fps, rate }: Verdict): string {
  const frames = `${fps.toFixed(0)} of ${rate.toFixed(rate % 1 ? 1 : 0)} frames a second come through.`;
  if (slow === "page") return `The network is quick enough, but the page gets to it late: ${frames}`;
  return `A tick takes up to ${p95.toFixed(0)} ms here and may take ${period.toFixed(0)}: ${frames}`;
}

const isOnGpu = ({ name, machine }: World["backend"]) => (machine ?? name) === "webgpu";

/** Why, as far as can be known; nothing is guessed. */
export function reasonsFor({ slow, p50, best }: Verdict, around: Circumstances): string[] {
  const { backend, view, isIsolated, isOnBattery, isRecording } = around;
  const reasons: string[] = [];
  if (best < SLOWED_DOWN * p50) {
    reasons.push(
      `Earlier a tick took ${best.toFixed(0)} ms: another tab or program is busy now, or the device has grown hot.`,
    );
  }
  if (isRecording) reasons.push("A clip is being recorded, which takes time too.");
  if (isOnBattery) reasons.push("The device runs on its battery; many are slower then.");
  if (view !== "WebGL") reasons.push("No graphics card draws here: the processor does, besides the network.");
  if (slow === "network" && !isIsolated && !isOnGpu(backend)) {
    reasons.push("One thread is all that this page may have: its host sends no COOP and COEP headers.");
  } else if (slow === "network" && backend.threads === 1 && !isOnGpu(backend)) {
    reasons.push("The network runs on one thread.");
  }
  if (backend.name !== "own" && backend.detail) reasons.push(`${backend.name} runs it: ${backend.detail}.`);
  return reasons;
}

/** Addresses to reopen the world at, and what they promise; the best first. */
export function reopenings({ backend, isIsolated, cores, hasGpu }: Circumstances, href: string): [string, string][] {
  const asked = new URL(href).searchParams;
  const to = (label: string, query: Record<string, string>): [string, string][] => {
    const url = new URL(href);
    url.search = new URLSearchParams(query).toString();
    return url.href === href ? [] : [[label, url.href]];
  };
  const isForced = asked.get("engine") === "ort" || asked.has("backend") || asked.get("threads") === "1";
  const isOwnOnCpu = backend.machine === "wasm";
  return [
    ...(isForced ? to("Let the page choose the engine", { engine: "auto" }) : []),
    ...(hasGpu && !isOnGpu(backend) ? to("Try the graphics card", { backend: "webgpu" }) : []),
    ...(isOwnOnCpu && backend.threads === 1 && isIsolated && cores >= 4
      ? to("Try two threads", { engine: "own", threads: "2" })
      : []),
    ...(isOwnOnCpu && backend.precision === "float32"
      ? to("Try whole numbers (int8)", { engine: "own", precision: "int8" })
      : []),
  ];
}

/** The fastest speed that the ticks leave time for; undefined when it is the one now or there is none. */
export function speedThatHolds({ p95, period }: Verdict, speed: number): Speed | undefined {
  const full = period * speed; // ms at full speed
  const holds = ([1, 0.5, 0.25] as const).find((candidate) => p95 <= full / candidate) ?? 0.25;
  return holds < speed ? holds : undefined;
}

function remediesFor(verdict: Verdict, around: Circumstances, session: Session): Remedy[] {
  const slower = verdict.slow === "network" ? speedThatHolds(verdict, around.speed) : undefined;
  const labels = { 1: "", 0.5: "Half speed", 0.25: "Quarter speed" };
  return [
    ...(slower ? [{ label: labels[slower], run: () => setSpeed(session, slower) }] : []),
    ...(verdict.slow === "network" ? reopenings(around, location.href) : []).map(([label, href]) => ({
      label,
      run: () => location.assign(href),
    })),
  ].slice(0, MOST_REMEDIES);
}

interface Battery {
  readonly charging: boolean;
}

async function lookAround({ world, view, loop }: Session): Promise<Circumstances> {
  const { getBattery } = navigator as { getBattery?(): Promise<Battery> };
  const battery = await getBattery?.call(navigator).catch(() => undefined);
  const { gpu } = navigator as {
    gpu?: { requestAdapter(): Promise<{ info?: { isFallbackAdapter?: boolean } } | null> };
  };
  const adapter = await gpu?.requestAdapter().catch(() => null);
  return {
    backend: world.backend,
    view: view.kind,
    isIsolated: crossOriginIsolated,
    cores: navigator.hardwareConcurrency,
    isOnBattery: battery?.charging === false,
    hasGpu: !!adapter && !adapter.info?.isFallbackAdapter,
    speed: loop.speed.value,
    isRecording: document.getElementById("clip")?.ariaPressed === "true",
  };
}
