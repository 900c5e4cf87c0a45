import { describe, expect, it } from "vitest";
import type { BranchRecord } from "../model/branch-tree";
import { FAKE_MANIFEST } from "../model/fake-world";
import {
  checkSession,
  cleanName,
  formatSession,
  looksLikeSession,
  parseSession,
  type SavedSession,
} from "./session-file";

const f = Math.fround;
const session: SavedSession = {
  world: "fake",
  packageSha256: "a".repeat(64),
  engine: { name: "own", precision: "int8", detail: "relaxed-simd, int8" },
  seed: 7,
  start: 1,
  actionNames: ["steer", "gas", "brake"],
  record: {
    width: 3,
    branches: [
      { name: "Branch 1", parting: null, actions: Float32Array.of(0.1, 1, 0, -1, 0, f(1 / 3), 0, 0, 0) },
      { name: "über die Böschung 🏁", parting: { branch: 0, tick: 2 }, actions: Float32Array.of(1, 1, 1) },
      { name: "Branch 3", parting: { branch: 1, tick: 3 }, actions: new Float32Array(0) },
    ],
    at: { branch: 1, tick: 3 },
  },
  frameSha256: "b".repeat(64),
};

/** The file, changed somewhere. */
function edited(change: (file: { [key: string]: unknown; branches: Record<string, unknown>[] }) => void): string {
  const file = JSON.parse(formatSession(session));
  change(file);
  return JSON.stringify(file);
}

describe("session file", () => {
  it("comes back as it was, float32 to the bit", () => {
    const text = formatSession(session);
    expect(parseSession(text)).toEqual(session);
    expect(parseSession(`\uFEFF${text.replace(/\n/g, "\r\n")}`)).toEqual(session);
    expect(looksLikeSession(text)).toBe(true);
    expect(looksLikeSession('{"steer": 1, "gas": 0, "brake": 0}\n')).toBe(false);
    checkSession(parseSession(text), FAKE_MANIFEST);
  });

  it("holds cuts to other starts and the hashes of branches, and says so by its version", () => {
    const cut: BranchRecord = { name: "cut", parting: null, start: 1, actions: new Float32Array(3) };
    const branches = [...session.record.branches, { ...cut, frameSha256: "c".repeat(64) }];
    const saved = { ...session, record: { ...session.record, branches } };
    const text = formatSession(saved);
    expect(JSON.parse(text).version).toBe(4);
    expect(parseSession(text)).toEqual(saved);
    checkSession(saved, FAKE_MANIFEST);
    const beyond = { ...saved, record: { ...saved.record, branches: [...branches, { ...cut, start: 99 }] } };
    expect(() => checkSession(beyond, FAKE_MANIFEST)).toThrow(/session, start: expected one from 0 to \d+, got 99/);
    const parting = JSON.stringify(JSON.parse(text), (key, value) =>
      key === "branches" ? value.map((each: object) => ({ ...each, start: 1 })) : value,
    );
    expect(() => parseSession(parting)).toThrow(/branches\.1\.parting: expected none of the first branch and of a cut/);
  });

  it("brings the picture along that it began at, and says so by its version", () => {
    const { width, height } = FAKE_MANIFEST.picture;
    const picture = Uint8Array.from({ length: width * height * 3 }, (_, i) => i % 251);
    const text = formatSession({ ...session, picture });
    expect(JSON.parse(text).version).toBe(2);
    expect(parseSession(text)).toEqual({ ...session, picture });
    checkSession(parseSession(text), FAKE_MANIFEST);
    const small = formatSession({ ...session, picture: picture.slice(3) });
    expect(() => checkSession(parseSession(small), FAKE_MANIFEST)).toThrow(/one or more pictures of/);
    expect(() => checkSession({ ...session, picture, start: 99 }, FAKE_MANIFEST)).toThrow(/start: expected one from 0/);
    expect(JSON.parse(formatSession(session)).version).toBe(1); // older releases read it
  });

  it("holds what the world was told, which older releases refuse by the version", () => {
    const [first, second, third] = session.record.branches as [BranchRecord, BranchRecord, BranchRecord];
    const told = [
      {
        ...first,
        told: [
          { tick: 1, text: "night" },
          { tick: 3, text: "snow" },
        ],
      },
      { ...second, told: [{ tick: 3, text: "rain" }] },
      third,
    ];
    const prompted = { ...session, record: { ...session.record, branches: told } };
    const text = formatSession(prompted);
    expect(JSON.parse(text).version).toBe(3);
    expect(parseSession(text)).toEqual(prompted);
    expect(() => checkSession(parseSession(text), FAKE_MANIFEST)).toThrow(/fake takes no prompts/);
    const change = (prompts: unknown) => {
      const file = JSON.parse(text);
      file.branches[1].prompts = prompts;
      return () => parseSession(JSON.stringify(file));
    };
    expect(change([{ tick: 2, text: "rain" }])).toThrow(/expected prompts in order, at ticks 3 to 3, got 2/);
    expect(change([{ tick: 3, text: "😀" }])).toThrow(/branches.1.prompts: prompt: expected English words/);
    expect(change([{ tick: 3 }])).toThrow(/branches.1.prompts/);
  });

  it("holds long sessions", () => {
    const actions = Float32Array.from({ length: 300_000 }, (_, i) => Math.sin(i));
    const long = {
      ...session,
      record: { width: 3, branches: [{ name: "x", parting: null, actions }], at: { branch: 0, tick: 100_000 } },
    };
    const text = formatSession(long);
    expect(text.length).toBeLessThan(1_700_000);
    const again = parseSession(text).record.branches[0]?.actions ?? new Float32Array(0);
    expect(Buffer.from(again.buffer).equals(Buffer.from(actions.buffer))).toBe(true); // toEqual takes a minute
  });

  it.each<[string, string, RegExp]>([
    ["nothing", "", /expected a file that was saved as a session/],
    ["half a file", formatSession(session).slice(0, 300), /expected a file that was saved as a session/],
    ["a list", "[]", /top level/],
    ["another format", edited((file) => Object.assign(file, { format: "zip" })), /session, format/],
    [
      "a later version",
      edited((file) => Object.assign(file, { version: 5 })),
      /version: expected 1 to 4, got 5\. .*newer release/,
    ],
    [
      "a picture missing",
      edited((file) => Object.assign(file, { version: 2 })),
      /picture: expected one in version 2 alone, got none/,
    ],
    [
      "a picture in the older version",
      edited((file) => Object.assign(file, { picture: "AAAA" })),
      /picture: expected one in version 2 alone, got one/,
    ],
    [
      "a picture that isn't base64",
      edited((file) => Object.assign(file, { version: 2, picture: "§" })),
      /picture: expected base64/,
    ],
    [
      "a short hash",
      edited((file) => Object.assign(file, { packageSha256: "abc" })),
      /packageSha256: expected a sha256/,
    ],
    ["an unknown field", edited((file) => Object.assign(file, { evil: 1 })), /top level/],
    ["a negative seed", edited((file) => Object.assign(file, { seed: -1 })), /session, seed/],
    ["no branch", edited((file) => file.branches.splice(0)), /branches/],
    [
      "no base64",
      edited((file) => Object.assign(file.branches[0] ?? {}, { actions: "%%%" })),
      /branches\.0\.actions: expected base64/,
    ],
    [
      "bytes missing",
      edited((file) => Object.assign(file.branches[0] ?? {}, { actions: "AAAA" })),
      /expected float32 values, got 3 bytes/,
    ],
    [
      "ticks that aren't there",
      edited((file) => Object.assign(file.branches[0] ?? {}, { ticks: 4 })),
      /expected 4 ticks of 3 values, got 9/,
    ],
    [
      "a first branch that parts",
      edited((file) => Object.assign(file.branches[0] ?? {}, { parting: { branch: 0, tick: 0 } })),
      /none of the first branch/,
    ],
    [
      "a branch of a later one",
      edited((file) => Object.assign(file.branches[1] ?? {}, { parting: { branch: 2, tick: 0 } })),
      /branch from 0 to 0, got tick 0 of branch 2/,
    ],
    ["a second root", edited((file) => Object.assign(file.branches[1] ?? {}, { parting: null })), /got none/],
    [
      "a parting past the end",
      edited((file) => Object.assign(file.branches[1] ?? {}, { parting: { branch: 0, tick: 4 } })),
      /0 to 3, got tick 4/,
    ],
    [
      "a parting before the branch's own",
      edited((file) => Object.assign(file.branches[2] ?? {}, { parting: { branch: 1, tick: 1 } })),
      /3 to 3, got tick 1/,
    ],
    [
      "a place that isn't there",
      edited((file) => Object.assign(file, { at: { branch: 9, tick: 0 } })),
      /a branch from 0 to 2/,
    ],
    [
      "a tick that isn't there",
      edited((file) => Object.assign(file, { at: { branch: 0, tick: 99 } })),
      /a tick from 0 to 3/,
    ],
  ])("refuses %s", (_, text, message) => {
    expect(() => parseSession(text)).toThrow(message);
    expect(() => parseSession(text)).toThrow(expect.objectContaining({ name: "RecordingError" }));
  });

  it.each<[string, Partial<SavedSession>, RegExp]>([
    [
      "another world's actions",
      { actionNames: ["move", "turn", "jump"] },
      /steer, gas, brake of fake, got move, turn, jump/,
    ],
    ["another order", { actionNames: ["gas", "steer", "brake"] }, /got gas, steer, brake/],
    ["one name that looks like three", { actionNames: ["steer, gas, brake"] }, /expected the actions/],
    ["a start that isn't there", { start: 2 }, /start: expected an integer from 0 to 1/],
    [
      "an action out of range",
      {
        record: {
          ...session.record,
          branches: [{ name: "x", parting: null, actions: Float32Array.of(0, 0, 0, 0, 0, 1.5) }],
        },
      },
      /x, tick 2: brake: expected a number in \[0, 1\], got 1\.5/,
    ],
    [
      "NaN",
      {
        record: {
          ...session.record,
          branches: [{ name: "x", parting: null, actions: Float32Array.of(Number.NaN, 0, 0) }],
        },
      },
      /tick 1: steer: .* got NaN/,
    ],
  ])("doesn't play %s", (_, change, message) => {
    expect(() => checkSession({ ...session, ...change }, FAKE_MANIFEST)).toThrow(message);
  });

  it("makes names fit", () => {
    expect(cleanName("  a\n b\t")).toBe("a b");
    expect(cleanName("x".repeat(200))).toHaveLength(80);
    expect(cleanName(" \n")).toBe("");
  });
});
