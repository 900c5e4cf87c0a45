/**
 * `worldloop sign`: a C2PA manifest with the person's own certificate, over what the file says already. The library is
 * 70 MB of native code and few need it, so whoever does installs it. Nothing is signed with a key of ours: whoever has the
 * program would have the key.
 */
import { access, writeFile } from "node:fs/promises";
import { onDisk } from "../dataset/out-folder";
import { OutputError, RecordingError } from "../errors";
import { GENERATED } from "../model/provenance";
import { readInput } from "./input";
import { readInspected } from "./inspect";

const LIBRARY = "@contentauth/c2pa-node";
const ALGORITHMS = ["es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519"];

/** As typed. */
export interface SignOptions {
  readonly certificate: string;
  readonly key: string;
  readonly algorithm: string;
  readonly timestamp?: string;
  readonly out: string;
}

/** What we use of the library. Source: its dist/types, 0.9. */
export interface C2pa {
  readonly Builder: {
    withJson(definition: unknown): {
      setIntent(intent: { create: string }): void;
      sign(
        signer: unknown,
        input: { buffer: Uint8Array; mimeType: string },
        output: { buffer: Uint8Array | null },
      ): unknown;
    };
  };
  readonly LocalSigner: {
    newSigner(certificate: Uint8Array, key: Uint8Array, algorithm: string, timestamp?: string): unknown;
  };
}

/** @throws RecordingError when it isn't installed */
async function loadC2pa(): Promise<C2pa> {
  const library: string = LIBRARY; // no dependency: the type checker must not look for it
  return import(library).catch((error: Error) => {
    throw new RecordingError(
      `sign: expected the package ${LIBRARY}, got none (${error.message.split("\n")[0]}); run: npm install --no-save ${LIBRARY}`,
    );
  });
}

/** @returns the line to print. @throws RecordingError, OutputError, having written nothing */
export async function sign(path: string, options: SignOptions, load = loadC2pa): Promise<string> {
  const { algorithm, out, timestamp } = options;
  if (!ALGORITHMS.includes(algorithm)) {
    throw new RecordingError(`--algorithm: expected one of ${ALGORITHMS.join(", ")}, got "${algorithm}"`);
  }
  const { provenance, contradiction, marked } = await readInspected(path);
  if (!marked || marked.kind === "actions") {
    throw new RecordingError(`${path}: expected a picture or a clip, got a record of the kind "${provenance.kind}"`);
  }
  if (contradiction) throw new RecordingError(`${path}: ${contradiction}`);
  const [certificate, key] = [await readInput(options.certificate), await readInput(options.key)];
  if (
    await access(out).then(
      () => true,
      () => false,
    )
  ) {
    throw new OutputError(`--out ${out}: expected a new file, got one that is there; choose another`);
  }
  const { Builder, LocalSigner } = await load();
  const mimeType = marked.kind === "picture" ? "image/png" : "video/mp4";
  const signed: { buffer: Uint8Array | null } = { buffer: null };
  try {
    const signer = LocalSigner.newSigner(certificate, key, algorithm, timestamp);
    const builder = Builder.withJson({
      claim_generator_info: [{ name: "Worldloop", version: provenance.generator.replace("Worldloop ", "") }],
      title: out.split("/").at(-1),
      assertions: [{ label: "org.worldloop.provenance", data: withoutActions(provenance) }],
    });
    builder.setIntent({ create: GENERATED });
    builder.sign(signer, { buffer: Buffer.from(await readInput(path)), mimeType }, signed);
    if (!signed.buffer) throw new Error("it gave no file");
  } catch (error) {
    throw new RecordingError(`${path}: the C2PA library could not sign it (${(error as Error).message})`, {
      cause: error,
    });
  }
  await onDisk(out, "choose another", () => writeFile(out, signed.buffer ?? "", { flag: "wx" }));
  return `${path} signed as ${out}`;
}

/** The actions themselves are in the file already, and no reader of manifests wants them. */
const withoutActions = ({ shots, ...rest }: { readonly shots: readonly { readonly actions?: unknown }[] }) => ({
  ...rest,
  shots: shots.map(({ actions: _, ...shot }) => shot),
});
