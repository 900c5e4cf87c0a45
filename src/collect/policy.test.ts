/** Policies: what they see and give. Those of other processes and files run for real. */
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { WORLD } from "../../tests/setup/collect";
import { folderSource } from "../model/folder-source";
import type { Manifest } from "../model/manifest";
import { openPackage } from "../model/package";
import { policyFileSha256 } from "./onnx-policy";
import { createPictureDriver } from "./picture-driver";
import { clipAction, openPolicy } from "./policy";
import { createRandomPolicy } from "./random-policy";

const PICTURE = new Uint8Array(16 * 16 * 3).fill(9);
let manifest: Manifest;
beforeAll(async () => {
  ({ manifest } = await openPackage(folderSource(WORLD)));
});

test("random: held for a while, within the table, at rest and at both ends, and the same for the same seed", async () => {
  const policy = createRandomPolicy(manifest.actions);
  const play = async (seed: number) => {
    await policy.begin({ number: 0, seed });
    return Promise.all(Array.from({ length: 2000 }, () => policy.act(PICTURE)));
  };
  const actions = await play(5);
  expect(await play(5)).toEqual(actions);
  expect(await play(6)).not.toEqual(actions);
  for (const action of actions) clipAction("random", action, manifest);
  const steer = actions.map((action) => action[0] as number);
  expect([-1, 0, 1].every((value) => steer.includes(value))).toBe(true);
  expect(new Set(steer).size).toBeGreaterThan(20); // and between
  const changes = actions.filter((action, i) => i > 0 && action !== actions[i - 1]).length;
  expect(changes).toBeGreaterThan(2000 / 24 - 1);
  expect(changes).toBeLessThan(1000);
});

/** A road of grey between green, as wide as in car-racing; `bend` leads it sideways, only rows first … last have it. */
function road(bend: number, first = 0, last = 95): Uint8Array {
  const picture = new Uint8Array(96 * 96 * 3);
  for (let pixel = 0; pixel < 96 * 96; pixel++) {
    const [row, column] = [Math.floor(pixel / 96), pixel % 96];
    const middle = 48 + Math.floor((bend * (70 - row)) / 10);
    const grey = row >= first && row <= last && Math.abs(column - middle) <= 8;
    picture.set([100, grey ? 100 : 200, 100], pixel * 3);
  }
  return picture;
}

test("scripted: gives what the driver in Python gives for the same pictures, one after another", async () => {
  const driver = createPictureDriver();
  await driver.begin({ number: 0, seed: 0 });
  const pictures = [road(0), road(5), road(-3), road(9, 20, 40), road(0, 96), road(2)];
  const expected = [
    [0, 0.5, 0],
    [0.83, 0.0694878474, 0],
    [-0.53, 0, 0.2567361],
    [0.8, 0, 0.5],
    [0.8, 0, 0.381475687],
    [0.3, 0, 0.2951996625],
  ];
  for (const [step, picture] of pictures.entries()) {
    const action = await driver.act(picture);
    action.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[step]?.[i] as number, 6);
    });
  }
});

test("onnx: the network sees the picture, and its file is held to its hash", async () => {
  const path = fileURLToPath(new URL("../../tests/goldens/tiny-policy.onnx", import.meta.url));
  const sha256 = await policyFileSha256(path);
  const policy = await openPolicy(`onnx:${path}`, manifest, sha256);
  const red = PICTURE.map((_, i) => (i % 3 === 0 ? 255 : 0));
  expect(Array.from(await policy.act(red))).toEqual([expect.closeTo(1), expect.closeTo(0)]);
  await policy.close();
  const other = "0".repeat(64);
  await expect(openPolicy(`onnx:${path}`, manifest, other)).rejects.toThrow(`expected sha256 ${other}, got ${sha256}`);
});

let server: WebSocketServer;
let messages: (string | number)[] = [];
/** Answers of the policy under test, one a picture. */
let answers: (string | Float32Array)[] = [];
beforeAll(() => {
  server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  server.on("connection", (socket) => {
    socket.on("message", (data: Buffer, binary) => {
      messages.push(binary ? data.length : data.toString());
      if (!binary) return;
      const answer = answers.shift();
      if (answer === undefined) socket.terminate();
      else socket.send(answer);
    });
  });
});
afterAll(() => server.close());

const connect = () => openPolicy(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, manifest);

test("ws: pictures go out as bytes, actions come back by name, as a list or as float32, clipped to the table", async () => {
  messages = [];
  answers = ['{"gas": 1, "steer": -0.5}', "[3, 0.25]", Float32Array.of(0.5, 0)];
  const policy = await connect();
  await policy.begin({ number: 4, seed: 7 });
  expect(await policy.act(PICTURE)).toEqual(Float32Array.of(-0.5, 1));
  expect(await policy.act(PICTURE)).toEqual(Float32Array.of(1, 0.25));
  expect(await policy.act(PICTURE)).toEqual(Float32Array.of(0.5, 0));
  await policy.close();
  const begin = { type: "begin", episode: 4, seed: 7, picture: [16, 16, 3], actions: ["steer", "gas"] };
  expect(messages).toEqual([JSON.stringify(begin), 768, 768, 768]);
});

test.each([
  ["no JSON", "left", "expected an action as JSON (steer, gas), got left"],
  ["a name missing", '{"steer": 0}', "expected an action as JSON (steer, gas)"],
  ["a number too many", "[0, 0, 0]", "expected 2 numbers (steer, gas), got 3"],
  ["NaN", Float32Array.of(Number.NaN, 0), "steer: expected a number in [-1, 1], got NaN"],
  ["no answer", undefined, "expected a policy, got a closed connection"],
])("ws: %s is refused by name", async (_, answer, message) => {
  answers = answer === undefined ? [] : [answer];
  const policy = await connect();
  await expect(policy.act(PICTURE)).rejects.toMatchObject({
    name: "PolicyError",
    message: expect.stringContaining(message),
  });
  await policy.close();
});
