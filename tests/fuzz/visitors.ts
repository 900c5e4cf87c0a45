/**
 * Clients of `worldloop serve` of the worst kind: they say nonsense in turn or all at once, byte by byte, in broken frames,
 * leave in the middle of a word, or never get through the door. Each knows what the server owes it all the same.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { WebSocket } from "ws";
import * as errors from "../../src/errors";
import { type Draw, scrambled } from "./draws";
import { opening, type Protocol, type Said, utterance } from "./messages";

export interface Reached {
  readonly port: number;
  readonly token: string;
}

/** Of an answer. It may have to wait for other clients' ticks. */
const PATIENCE_MS = 60_000;
/** Characters of an error: whoever sends half a megabyte doesn't get it back. */
const LONGEST_COMPLAINT = 1000;
/** Of `docs/serve.md`; 1006: the server has cut a socket that didn't agree to the end. */
const CODES = [1000, 1001, 1002, 1006, 1007, 1008, 1009, 1013];

/** How one visits. @returns how many messages were sent */
type Visitor = (server: Reached, protocol: Protocol, draw: Draw) => Promise<number>;

const VISITORS: Record<string, Visitor> = {
  async inTurn(server, protocol, draw) {
    const visit = await enter(server, protocol);
    let sent = 0;
    for (const said of script(protocol, draw)) {
      visit.say(said);
      sent += 1;
      if ((await visit.answer()) === null) break;
    }
    visit.leave();
    return sent;
  },
  async allAtOnce(server, protocol, draw) {
    const visit = await enter(server, protocol);
    const all = script(protocol, draw, 2 + draw(12));
    for (const said of all) visit.say(said);
    for (let n = 0; n < all.length; n++) if ((await visit.answer()) === null) break;
    visit.leave();
    return all.length;
  },
  async leaving(server, protocol, draw) {
    const visit = await enter(server, protocol);
    const all = script(protocol, draw);
    for (const said of all) visit.say(said);
    if (draw(2)) await visit.answer();
    visit.cut();
    return all.length;
  },
  async slowly(server, protocol, draw) {
    const socket = await handshake(server, protocol);
    const all = script(protocol, draw, 2).filter(({ contents }) => contents.length < 5000);
    const wire = Buffer.concat(all.flatMap((said) => frames(said, draw)));
    for (let at = 0; at < wire.length; ) {
      const length = 1 + draw(Math.max(2, wire.length / 20));
      socket.write(wire.subarray(at, at + length));
      at += length;
      if (draw(3) === 0) await pause(draw(4));
      if (draw(40) === 0) break; // in the middle of a frame
    }
    await end(socket, draw);
    return all.length;
  },
  async brokenFrames(server, protocol, draw) {
    const socket = await handshake(server, protocol);
    const all = script(protocol, draw);
    const wire = Buffer.concat(all.flatMap((said) => frames(said, draw)));
    socket.write(scrambled(new Uint8Array(wire.subarray(0, 100_000)), draw));
    await end(socket, draw);
    return all.length;
  },
  async atTheDoor(server, protocol, draw) {
    const socket = await reach(server);
    const wanted = request(server, protocol);
    const lines = wanted.split("\r\n");
    const odd = ODD_LINES[draw(ODD_LINES.length)] as string;
    if (draw(3) === 0) lines[draw(lines.length)] = odd;
    else if (draw(2)) lines.splice(1 + draw(4), 0, odd);
    const bytes = new Uint8Array(Buffer.from(lines.join("\r\n")));
    socket.write(draw(2) ? scrambled(bytes, draw) : bytes);
    for (const said of script(protocol, draw, 1)) for (const frame of frames(said, draw)) socket.write(frame);
    await end(socket, draw);
    return 2;
  },
};

const ODD_LINES = [
  ...["Host: evil.example", "Origin: https://evil.example", "Sec-WebSocket-Version: 99", "Upgrade: h2c", ""],
  ...["Sec-WebSocket-Key: short", "Content-Length: 999999999", "Transfer-Encoding: chunked", "Expect: 100-continue"],
  ...[`X: ${"y".repeat(9000)}`, "POST / HTTP/1.1", "GET /openenv/tiny-world/x/ws HTTP/1.1", "GET /\0 HTTP/1.1"],
  ...[
    "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8",
    "Authorization: Bearer",
    "\u0000: \u0000",
  ],
  ...["GET http://127.0.0.1/ HTTP/1.1", "PRI * HTTP/2.0", "GET /%zz/../.. HTTP/1.1", "Connection: close, keep-alive"],
];

const NAMES = Object.keys(VISITORS);

/** One to four of them, side by side. @throws what the server owed and didn't give */
export async function scene(server: Reached, draw: Draw): Promise<{ what: string; outcome: string; inputs: number }> {
  const visits = Array.from({ length: 1 + draw(4) }, () => {
    const protocol: Protocol = draw(2) ? "worldloop" : "openenv";
    const name = NAMES[draw(NAMES.length)] as string;
    const seeds = [draw(2 ** 30), draw(2 ** 30)] as const;
    return { name, protocol, run: (VISITORS[name] as Visitor)(server, protocol, streamOf(seeds)) };
  });
  const what = visits.map(({ name, protocol }) => `${name} (${protocol})`).join(", ");
  const settled = await Promise.allSettled(visits.map(({ run }) => run));
  const failed = settled.find((one) => one.status === "rejected");
  if (failed) throw new Error(`${what}: ${(failed.reason as Error).stack}`);
  const inputs = settled.reduce((sum, one) => sum + (one.status === "fulfilled" ? one.value : 0), 0);
  return { what, outcome: visits.map(({ name }) => name)[0] as string, inputs };
}

/** Plays a little; a hash of the frames that it got. */
export async function wellBehaved({ port, token }: Reached): Promise<string> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { headers: { authorization: `Bearer ${token}` } });
  await once(socket, "open");
  const hash = createHash("sha256");
  const messages = [
    { type: "open", world: "tiny-world", count: 1 },
    { type: "reset", worlds: [{ index: 0, seed: 7 }] },
    ...Array.from({ length: 4 }, () => ({ type: "step", worlds: [{ index: 0, action: [0.5, 1] }] })),
  ];
  for (const message of messages) {
    socket.send(JSON.stringify(message));
    const [data, isBinary] = (await once(socket, "message")) as [Buffer, boolean];
    if (isBinary) hash.update(data.subarray(4 + data.readUInt32LE(0))); // without the time it took
  }
  socket.close();
  await once(socket, "close");
  return hash.digest("hex");
}

/** Draws for one of several visits at once, which would take each other's in an order of chance. (mulberry32) */
function streamOf([a, b]: readonly [number, number]): Draw {
  let state = a ^ (b * 2);
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % Math.max(1, Math.floor(n));
  };
}

function script(protocol: Protocol, draw: Draw, length = 1 + draw(6)): Said[] {
  const rest = Array.from({ length }, () => utterance(protocol, draw));
  return draw(4) ? [opening(protocol), ...rest] : rest; // else out of order
}

function pathOf({ token }: Reached, protocol: Protocol): string {
  return protocol === "openenv" ? `/openenv/tiny-world/${token}/ws` : "/";
}

/** @throws when the server isn't there */
async function enter(server: Reached, protocol: Protocol) {
  const headers = { authorization: `Bearer ${server.token}` };
  const socket = new WebSocket(`ws://127.0.0.1:${server.port}${pathOf(server, protocol)}`, { headers });
  const answers: (Error | "sound" | null)[] = [];
  let wake: () => void = () => undefined;
  const take = (answer: (typeof answers)[number]) => {
    answers.push(answer);
    wake();
  };
  socket.on("message", (data: Buffer, isBinary) => take(faultIn(protocol, data, isBinary) ?? "sound"));
  socket.on("close", (code: number) => take(CODES.includes(code) ? null : new Error(`closed with ${code}`)));
  await once(socket, "open");
  socket.on("error", () => undefined); // it may hang up while we write
  return {
    say: ({ contents, binary }: Said) => socket.send(contents, { binary }),
    /** Null when the connection has ended. @throws when the answer is none of the protocol, or doesn't come */
    async answer(): Promise<"sound" | null> {
      const late = setTimeout(() => take(new Error("no answer")), PATIENCE_MS);
      while (answers.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      clearTimeout(late);
      const [answer] = answers[0] === null ? [null] : answers.splice(0, 1);
      if (answer instanceof Error) throw answer;
      return answer ?? null;
    },
    leave: () => socket.close(),
    cut: () => socket.terminate(),
  };
}

/** What is wrong with an answer; null when nothing is. */
function faultIn(protocol: Protocol, data: Buffer, isBinary: boolean): Error | null {
  const wrong = (why: string) => new Error(`answer: ${why}: ${data.subarray(0, 300).toString("latin1")}`);
  if (isBinary) {
    if (protocol === "openenv") return wrong("bytes");
    const end = 4 + data.readUInt32LE(0);
    const { worlds } = JSON.parse(data.subarray(4, end).toString());
    return data.length === end + worlds.length * 16 * 16 * 3 ? null : wrong("other sizes");
  }
  const answer = JSON.parse(data.toString());
  const { type, name, message } =
    answer.type === "error" && protocol === "openenv"
      ? { type: "error", name: answer.data.code, message: answer.data.message }
      : answer;
  if (type !== "error") return ["opened", "observation", "state"].includes(type) ? null : wrong("of no type");
  const known = protocol === "openenv" ? OPENENV_CODES : Object.keys(errors);
  if (!known.includes(name)) return wrong("an error without a name");
  if (typeof message !== "string" || message.length > LONGEST_COMPLAINT) return wrong("a long complaint");
  return /\n|at .*:\d+:\d+/.test(message) ? wrong("a clumsy complaint") : null;
}

const OPENENV_CODES = ["INVALID_JSON", "UNKNOWN_TYPE", "VALIDATION_ERROR", "EXECUTION_ERROR"];

async function reach({ port }: Reached): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  await once(socket, "connect");
  socket.resume();
  return socket;
}

const request = (server: Reached, protocol: Protocol): string =>
  [
    `GET ${pathOf(server, protocol)} HTTP/1.1`,
    `Host: 127.0.0.1:${server.port}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    `Authorization: Bearer ${server.token}`,
    "\r\n",
  ].join("\r\n");

async function handshake(server: Reached, protocol: Protocol): Promise<Socket> {
  const socket = await reach(server);
  socket.write(request(server, protocol));
  await Promise.race([new Promise((resolve) => socket.once("data", resolve)), closed(socket)]);
  return socket;
}

/** Also by an error, which is what hanging up looks like to whoever writes. */
const closed = (socket: Socket): Promise<unknown> | undefined =>
  socket.destroyed ? undefined : new Promise((resolve) => socket.once("close", resolve));

/** Says goodbye, or doesn't, or waits until the server does. */
async function end(socket: Socket, draw: Draw): Promise<void> {
  if (draw(3) === 0) socket.destroy();
  else if (draw(2)) socket.end();
  await Promise.race([closed(socket), pause(20 + draw(100))]);
  socket.destroy();
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** As RFC 6455 has it: masked, in one frame or several, pings in between. */
function frames({ contents, binary }: Said, draw: Draw): Buffer[] {
  const parts = draw(3) === 0 && contents.length > 4 ? [contents.subarray(0, 3), contents.subarray(3)] : [contents];
  return parts.flatMap((part, i) => {
    const opcode = i > 0 ? 0 : binary ? 2 : 1;
    const whole = frame(opcode, part, i === parts.length - 1, draw);
    return draw(5) === 0 ? [frame(9, new Uint8Array(draw(126)), true, draw), whole] : [whole];
  });
}

function frame(opcode: number, data: Uint8Array, isLast: boolean, draw: Draw): Buffer {
  const short = data.length < 126 ? data.length : data.length < 65_536 ? 126 : 127;
  const extra = Buffer.alloc(short === 126 ? 2 : short === 127 ? 8 : 0);
  if (short === 126) extra.writeUInt16BE(data.length);
  if (short === 127) extra.writeBigUInt64BE(BigInt(data.length));
  const mask = Buffer.from([draw(256), draw(256), draw(256), draw(256)]);
  const head = Buffer.from([(isLast ? 0x80 : 0) | opcode, 0x80 | short]);
  return Buffer.concat([head, extra, mask, data.map((byte, i) => byte ^ (mask[i % 4] as number))]);
}
