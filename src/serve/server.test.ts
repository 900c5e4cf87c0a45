/** The server as clients meet it, over real sockets, on the tiny world: well-behaved ones and hostile ones. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { WebSocket } from "ws";
import { run } from "../cli/program";
import { openWorldNode } from "../model/node-runtime";
import { normals } from "../model/rng";
import { type RunningServer, type ServeSettings, startServer } from "./server";

const folder = fileURLToPath(new URL("../../tests/goldens/tiny-world", import.meta.url));
const faults: unknown[] = [];

function start(settings: Partial<ServeSettings> = {}): Promise<RunningServer> {
  return startServer({
    worlds: [folder],
    host: "127.0.0.1",
    port: 0,
    maxSessions: 8,
    idleMs: 60_000,
    threads: 1,
    allowedHosts: ["worlds.example:80"],
    allowedOrigins: ["http://localhost:5173"],
    onFault: (fault) => faults.push(fault),
    ...settings,
  });
}

let server: RunningServer;
beforeAll(async () => {
  server = await start();
});
afterAll(async () => {
  await server.close();
  expect(faults).toEqual([]);
});

type Answer = { readonly type: string; readonly [name: string]: unknown } & { readonly pixels?: Uint8Array };

interface Client {
  readonly socket: WebSocket;
  /** Sends one message (an object as JSON) and gives its answer. */
  ask(message: object | string | Uint8Array): Promise<Answer>;
  close(): Promise<void>;
}

async function enter(
  to: RunningServer,
  { path = "/", headers = { authorization: `Bearer ${to.token}` } as Record<string, string> } = {},
): Promise<Client> {
  const socket = new WebSocket(`${to.url}${path}`, { headers });
  const answers: Answer[] = [];
  const takers: ((answer: Answer) => void)[] = [];
  socket.on("message", (data: Buffer, isBinary) => {
    const answer = isBinary ? unpack(data) : JSON.parse(data.toString());
    const taker = takers.shift();
    if (taker) taker(answer);
    else answers.push(answer);
  });
  await once(socket, "open");
  socket.on("error", () => undefined); // the server may hang up on us while we write
  return {
    socket,
    ask(message) {
      socket.send(typeof message === "string" || message instanceof Uint8Array ? message : JSON.stringify(message));
      const ready = answers.shift();
      return ready ? Promise.resolve(ready) : new Promise((resolve) => takers.push(resolve));
    },
    async close() {
      socket.close();
      await once(socket, "close");
    },
  };
}

function unpack(data: Buffer): Answer {
  const end = 4 + data.readUInt32LE(0);
  return { ...JSON.parse(data.subarray(4, end).toString()), pixels: new Uint8Array(data.subarray(end)) };
}

/** The status and text with which an upgrade is refused. */
async function refusal(path: string, headers: Record<string, string>): Promise<string> {
  const socket = new WebSocket(`${server.url}${path}`, { headers });
  const [, response] = await once(socket, "unexpected-response");
  let text = "";
  for await (const part of response) text += part;
  return `${response.statusCode} ${text}`;
}

const OPEN = { type: "open", world: "tiny-world", count: 2 };
const RESET = { type: "reset", worlds: [0, 1].map((index) => ({ index, seed: 7 + index, start: index })) };
const actionAt = (tick: number) => [Math.sin(tick), Math.cos(tick) ** 2];
const stepAt = (tick: number) => ({
  type: "step",
  worlds: [0, 1].map((index) => ({ index, action: actionAt(tick + index) })),
});

/** Plays two worlds and gives all pictures. */
async function play(client: Client, ticks: number): Promise<Uint8Array[]> {
  expect(await client.ask(OPEN)).toMatchObject({ type: "opened", count: 2, manifest: { name: "tiny-world" } });
  const pictures = [(await client.ask(RESET)).pixels as Uint8Array];
  for (let tick = 0; tick < ticks; tick++) pictures.push((await client.ask(stepAt(tick))).pixels as Uint8Array);
  return pictures;
}

test("two worlds stepped by one message give the frames that each gives alone", async () => {
  const client = await enter(server);
  const pictures = await play(client, 8);
  for (const index of [0, 1]) {
    const { world } = await openWorldNode(folder, { threads: 1 });
    let frame = await world.reset({ seed: 7 + index, start: index });
    for (const [tick, both] of pictures.entries()) {
      if (tick > 0) frame = await world.step(Float32Array.from(actionAt(tick - 1 + index)));
      const rgb = frame.rgba.filter((_, i) => i % 4 !== 3);
      expect([...both.subarray(index * rgb.length, (index + 1) * rgb.length)]).toEqual([...rgb]);
    }
    await world.close();
  }
  await client.close();
});

test("samples tell how far noise seeds disagree, and change no frame", async () => {
  const client = await enter(server);
  const plain = await play(client, 2);
  await client.ask(RESET);
  for (const [tick, expected] of plain.slice(1).entries()) {
    const answer = await client.ask({ ...stepAt(tick), samples: 3 });
    expect(answer.pixels).toEqual(expected);
    for (const { uncertainty } of answer.worlds as { uncertainty: number }[]) {
      expect(uncertainty).toBeGreaterThan(0);
      expect(uncertainty).toBeLessThan(0.5);
    }
  }
  await client.close();
});

test("only the right token, Host and Origin come in", async () => {
  const authorization = `Bearer ${server.token}`;
  expect(await refusal("/", {})).toMatch(/^401 expected the token/);
  expect(await refusal("/", { authorization: `Bearer ${server.token}x` })).toMatch(/^401/);
  expect(await refusal("/", { authorization, host: "evil.example" })).toMatch(/^403 Host/);
  expect(await refusal("/", { authorization, origin: "https://evil.example" })).toMatch(/^403 Origin/);
  expect(await refusal("/elsewhere", { authorization })).toMatch(/^404/);
  expect(await refusal("/openenv/tiny-world/wrong/ws", {})).toMatch(/^401/);
  expect(await refusal(`/openenv/no-world/${server.token}/ws`, {})).toMatch(/^404 world: expected one of tiny-world/);
  const friend = { authorization, origin: "http://localhost:5173", host: "worlds.example:80" };
  await (await enter(server, { headers: friend })).close();
});

test("health is told to allowed hosts, everything else over HTTP is refused", async () => {
  const url = server.url.replace("ws", "http");
  expect(await (await fetch(`${url}/health`)).json()).toEqual({ status: "healthy" });
  expect((await fetch(`${url}/health`, { headers: { origin: "https://evil.example" } })).status).toBe(403);
  expect((await fetch(`${url}/world.json`)).status).toBe(404);
  expect((await fetch(`${url}/health`, { method: "POST", body: "x" })).status).toBe(404);
});

/** Messages that an open session must refuse, by the name of the error. */
const step = (action: unknown, index: unknown = 0, more: object = {}) => ({
  type: "step",
  worlds: [{ index, action }],
  ...more,
});
const reset = (entry: object) => ({ type: "reset", worlds: [{ index: 0, seed: 1, ...entry }] });
const WRONG: readonly (readonly [name: string, message: object | string | Uint8Array])[] = [
  ["ProtocolError", "null"],
  ["ProtocolError", "{}"],
  ["ProtocolError", "[]"],
  ["ProtocolError", `${"[".repeat(50_000)}`],
  ["ProtocolError", `${"[".repeat(50_000)}${"]".repeat(50_000)}`],
  ["ProtocolError", { type: "fly" }],
  ["ProtocolError", '{"type":"step","__proto__":{"worlds":[]}}'],
  ["ProtocolError", '{"type":"step","worlds":[{"index":0,"action":[NaN,0]}]}'],
  ["ProtocolError", '{"type":"step","worlds":[{"index":0,"action":[1e999,0]}]}'],
  ["ProtocolError", step("0,0")],
  ["ProtocolError", step([null, 0])],
  ["ProtocolError", step([0, 0], -1)],
  ["ProtocolError", step([0, 0], 2)],
  ["ProtocolError", step([0, 0], 1e9)],
  ["ProtocolError", step([0, 0], 0, { samples: 1e6 })],
  ["ProtocolError", step([0, 0], 0, { more: 1 })],
  ["ProtocolError", { type: "step", worlds: Array(100_000).fill(0) }],
  ["ProtocolError", { type: "step", worlds: [step([0, 0]).worlds[0], step([0, 0]).worlds[0]] }],
  ["ProtocolError", reset({ seed: 1.5 })],
  ["ProtocolError", reset({ seed: 2 ** 60 })],
  ["ProtocolError", reset({ context: { frames: "?", actions: [] } })],
  ["ProtocolError", { ...OPEN, count: 0 }],
  ["ActionError", step([])],
  ["ActionError", step([0, 0, 0])],
  ["ProtocolError", step(Array(100_000).fill(""))],
  ["ActionError", step([2, 0])],
  ["ResetError", reset({ start: 99 })],
  ["ResetError", reset({ start: 0, context: { frames: "AAAA", actions: [] } })],
  ["ResetError", reset({ context: { frames: "AAAA", actions: [] } })],
  ["ResetError", reset({ context: { frames: "AAAA".repeat(100_000), actions: [] } })],
  ["ResetError", reset({ context: { frames: "AAAA".repeat(2 * 256), actions: [5, 0] } })],
  ["StateError", OPEN],
];

/** Random bytes and text, the same every time. */
function noise(seed: number): Uint8Array {
  return Uint8Array.from(normals(seed, 0, 1 + (seed % 200)), (value) => Math.abs(Math.round(value * 100)) % 256);
}

test("1,000 wrong messages are refused by the right names, while another session plays undisturbed", {
  timeout: 180_000,
}, async () => {
  const undisturbed = await enter(server);
  const expected = await play(undisturbed, 100);
  await undisturbed.close();

  const [calm, hostile] = [await enter(server), await enter(server)];
  const attack = async () => {
    expect(await hostile.ask(stepAt(0))).toMatchObject({ type: "error", name: "StateError" });
    await hostile.ask(OPEN);
    expect(await hostile.ask(stepAt(0))).toMatchObject({ type: "error", name: "StateError" });
    await hostile.ask(RESET);
    const first = (await hostile.ask(stepAt(0))).pixels;
    for (let i = 0; i < 1000; i++) {
      const [name, message] =
        i % 3 === 0
          ? (["ProtocolError", noise(i)] as const)
          : i % 3 === 1
            ? (["ProtocolError", Buffer.from(noise(i)).toString("latin1")] as const)
            : (WRONG[i % WRONG.length] as (typeof WRONG)[number]);
      const answer = await hostile.ask(message);
      expect([answer.type, answer.name], JSON.stringify(message).slice(0, 200)).toEqual(["error", name]);
    }
    await hostile.ask(RESET);
    expect((await hostile.ask(stepAt(0))).pixels).toEqual(first); // it has harmed nothing, itself included
  };
  const [frames] = await Promise.all([play(calm, 100), attack()]);
  expect(frames).toEqual(expected);
  await calm.close();
  await hostile.close();
});

test("floods, huge messages and broken frames end the connection they came by, and no other", async () => {
  const calm = await enter(server);
  const closeCode = async (client: Client): Promise<number> => (await once(client.socket, "close"))[0];

  const flooder = await enter(server);
  await flooder.ask({ ...OPEN, count: 1 });
  await flooder.ask(reset({}));
  for (let i = 0; i < 5000; i++) flooder.socket.send(JSON.stringify(step([0, 0])));
  expect(await closeCode(flooder)).toBe(1008);

  const huge = await enter(server);
  huge.socket.send("x".repeat(2 << 20));
  expect(await closeCode(huge)).toBe(1009);

  const notText = await enter(server);
  notText.socket.send(Uint8Array.of(0xff, 0xfe), { binary: false });
  expect(await closeCode(notText)).toBe(1007);

  const raw = connect(server.port, "127.0.0.1");
  raw.write("\x16\x03\x01 not HTTP at all\r\n\r\n");
  raw.resume();
  await once(raw, "close");

  const cutOff = await enter(server);
  cutOff.socket.send(JSON.stringify(OPEN));
  cutOff.socket.terminate();

  expect((await play(calm, 3)).length).toBe(4);
  await calm.close();
});

test("a client that reads nothing keeps only itself waiting", async () => {
  const [calm, deaf] = [await enter(server), await enter(server)];
  await deaf.ask({ ...OPEN, count: 4 });
  deaf.socket.pause();
  const all = [0, 1, 2, 3].map((index) => ({ index, seed: 1 }));
  for (let i = 0; i < 20_000; i++) deaf.socket.send(JSON.stringify({ type: "reset", worlds: all }));
  expect((await play(calm, 20)).length).toBe(21);
  deaf.socket.terminate();
  await calm.close();
});

test("worlds have room for --max-sessions, given back when a client leaves", async () => {
  const [first, second] = [await enter(server), await enter(server)];
  expect(await first.ask({ ...OPEN, count: 7 })).toMatchObject({ type: "opened" });
  expect(await second.ask(OPEN)).toMatchObject({ type: "error", name: "CapacityError" });
  expect(await second.ask({ ...OPEN, count: 1 })).toMatchObject({ type: "opened" });
  const denied = await enter(server, { path: `/openenv/tiny-world/${server.token}/ws`, headers: {} });
  expect((await once(denied.socket, "close"))[0]).toBe(1013);
  await first.close();
  const third = await enter(server);
  expect(await third.ask({ ...OPEN, count: 7 })).toMatchObject({ type: "opened" });
  await second.close();
  await third.close();
});

test("more clients than sessions are refused, and the silent ones are sent away", async () => {
  const small = await start({ maxSessions: 1, idleMs: 200 });
  const silent = await enter(small);
  const refused = new WebSocket(small.url, { headers: { authorization: `Bearer ${small.token}` } });
  const [, response] = await once(refused, "unexpected-response");
  expect(response.statusCode).toBe(503);
  response.resume();
  expect((await once(silent.socket, "close"))[0]).toBe(1001);
  await (await enter(small)).close();
  await small.close();
});

test("room is given back when what a client left behind has ended", async () => {
  const [leaver, waiter] = [await enter(server), await enter(server)];
  await leaver.ask({ ...OPEN, count: 8 });
  const all = Array.from({ length: 8 }, (_, index) => index);
  await leaver.ask({ type: "reset", worlds: all.map((index) => ({ index, seed: 1 })) });
  const long = { type: "step", worlds: all.map((index) => ({ index, action: [0, 0] })), samples: 16 };
  leaver.socket.send(JSON.stringify(long));
  leaver.socket.terminate();
  await vi.waitFor(async () => expect(await waiter.ask(OPEN)).toMatchObject({ type: "opened" }), 5000);
  await waiter.close();
});

/** Connects and says no more than this; never hangs up by itself. */
async function lurk(to: RunningServer, words: string): Promise<Socket> {
  const socket = connect({ port: to.port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => undefined); // the server may hang up on us
  await once(socket, "connect");
  socket.write(words);
  socket.resume();
  return socket;
}

const UPGRADE = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

test.each([
  ["say nothing", ""],
  ["begin a request", "GET / HTTP/1.1\r\n"],
  ["were refused and don't hang up", UPGRADE],
])("sockets without a token that %s keep others out for seconds at most", { timeout: 20_000 }, async (_, words) => {
  const small = await start({ maxSessions: 1 });
  const sockets = await Promise.all(Array.from({ length: 70 }, () => lurk(small, words)));
  const health = `${small.url.replace("ws", "http")}/health`;
  await vi.waitFor(async () => expect((await fetch(health)).status).toBe(200), { timeout: 15_000, interval: 250 });
  for (const socket of sockets) socket.destroy();
  await small.close();
});

test("a server that ends says goodbye to its clients, whatever it is computing for them", async () => {
  const ending = await start();
  const [idle, busy] = [await enter(ending), await enter(ending)];
  await busy.ask(OPEN);
  await busy.ask(RESET);
  for (let tick = 0; tick < 4; tick++) busy.socket.send(JSON.stringify({ ...stepAt(tick), samples: 16 }));
  const goodbyes = [idle, busy].map(({ socket }) => once(socket, "close"));
  await once(busy.socket, "message"); // the first answer: the second step is under way
  await ending.close();
  for (const [code, reason] of await Promise.all(goodbyes))
    expect([code, `${reason}`]).toEqual([1001, "the server ends"]);
});

test("an OpenEnv client resets, steps and asks for the state", async () => {
  const client = await enter(server, { path: `/openenv/tiny-world/${server.token}/ws`, headers: {} });
  const fails = (answer: Answer, code: string) => expect(answer).toMatchObject({ type: "error", data: { code } });
  fails(await client.ask({ type: "step", data: { steer: 0, gas: 0 } }), "EXECUTION_ERROR");
  fails(await client.ask("{"), "INVALID_JSON");
  fails(await client.ask({ type: "fly" }), "UNKNOWN_TYPE");
  fails(await client.ask({ type: "reset", data: { seed: -1 } }), "VALIDATION_ERROR");
  const first = await client.ask({ type: "reset", data: { seed: 7, episode_id: "a", unknown: true } });
  expect(first).toMatchObject({ type: "observation", data: { reward: null, done: false, observation: { tick: 0 } } });
  fails(await client.ask({ type: "step", data: { steer: 2, gas: 0 } }), "VALIDATION_ERROR");
  const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;
  fails(await client.ask(`{"type":"step","data":{"steer":${deep},"gas":0}}`), "VALIDATION_ERROR");
  const long = await client.ask({ type: "step", data: { steer: 0, gas: 0, ["k".repeat(400_000)]: 0 } });
  fails(long, "VALIDATION_ERROR");
  expect(JSON.stringify(long).length).toBeLessThan(2000); // whoever sends half a megabyte doesn't get it back
  const next = await client.ask({ type: "step", data: { steer: 1, gas: 0, metadata: {} } });
  const { picture, shape } = (next.data as { observation: { picture: string; shape: number[] } }).observation;
  expect(shape).toEqual([16, 16, 3]);

  const ours = await enter(server);
  await ours.ask({ ...OPEN, count: 1 });
  await ours.ask({ type: "reset", worlds: [{ index: 0, seed: 7 }] });
  expect(Buffer.from(picture, "base64")).toEqual(Buffer.from((await ours.ask(step([1, 0]))).pixels ?? []));
  await ours.close();

  expect(await client.ask({ type: "state" })).toEqual({ type: "state", data: { episode_id: "a", step_count: 1 } });
  client.socket.send('{"type":"close"}');
  client.socket.send('{"type":"state"}'); // too late
  const after: unknown[] = [];
  client.socket.on("message", (data) => after.push(data));
  expect((await once(client.socket, "close"))[0]).toBe(1000);
  expect(after).toEqual([]);
});

test("the command prints address and token, and ends when interrupted", async () => {
  const interrupt = new AbortController();
  let out = "";
  const code = run(["serve", "--world", folder, "--port", "0"], {
    out: (text) => {
      out += text;
      if (out.includes("OpenEnv")) interrupt.abort();
    },
    error: () => undefined,
    signal: interrupt.signal,
  });
  expect(await code).toBe(0);
  expect(out).toMatch(/^serving tiny-world at ws:\/\/127\.0\.0\.1:\d+\ntoken \(of this start only\): [\w-]{32}\n/);
  let error = "";
  const taken = ["serve", "--world", folder, "--port", String(server.port)];
  const signal = AbortSignal.abort();
  expect(await run(taken, { out: () => undefined, error: (text) => (error += text), signal })).toBe(2);
  expect(error).toMatch(/^error: expected to listen at 127\.0\.0\.1:\d+, got .*EADDRINUSE.*; choose another --port\n$/);
});
