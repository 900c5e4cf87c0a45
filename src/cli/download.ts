/**
 * Files from other hosts, for the command line. A redirect is followed only to where the first address could have led as
 * well; a transfer that breaks off or falls silent is taken up again where it stood, if the host can vouch that the file is
 * the same. Nothing touches the disk. What is fetched is judged by others.
 */
import { setTimeout as pause } from "node:timers/promises";
import { AbortedError, AddressError, FileMismatchError, MissingFileError, WorldloopError } from "../errors";
import { type Bytes, concat } from "../model/bytes";
import type { ReadOptions } from "../model/package";
import { checkAddress, type FetchFile } from "../model/package-address";

const MOST_REDIRECTS = 10;
const MOST_TRIES = 4;
/** ms without a byte. */
const SILENCE_MS = 30_000;
const PAUSE_MS = 500;

/** @param onProgress bytes of the file under way; of: 0 while unknown */
export function createDownload({
  onProgress,
  silenceMs = SILENCE_MS,
}: {
  readonly onProgress?: (loaded: number, of: number) => void;
  readonly silenceMs?: number;
}): FetchFile {
  return async (url, options) => {
    const transfer: Transfer = { chunks: [], loaded: 0, of: 0, version: null };
    for (let attempt = 1; ; attempt++) {
      try {
        await take(transfer, url, options, { onProgress, silenceMs });
        options.onBytes?.(transfer.loaded);
        return concat(transfer.chunks);
      } catch (error) {
        if (options.signal?.aborted) throw new AbortedError("The download was called off.", { cause: error });
        if (error instanceof WorldloopError) throw error;
        if (attempt === MOST_TRIES || transfer.of + transfer.loaded === 0) throw unreachable(url, error as Error);
        await pause(PAUSE_MS * attempt, undefined, options.signal ? { signal: options.signal } : {}).catch(
          () => undefined,
        );
      }
    }
  };
}

interface Transfer {
  chunks: Bytes[];
  loaded: number;
  /** 0 while unknown. */
  of: number;
  /** What the host calls this version of the file, if that tells two versions apart. */
  version: string | null;
}

/** One attempt. @throws what the connection throws: it may be tried again */
async function take(
  transfer: Transfer,
  url: URL,
  { maxBytes, signal }: ReadOptions,
  { onProgress, silenceMs }: { onProgress: ((loaded: number, of: number) => void) | undefined; silenceMs: number },
): Promise<void> {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(new Error(`silence for ${silenceMs / 1000} s`)), silenceMs);
  try {
    const resuming = transfer.loaded > 0 && transfer.version !== null;
    const headers: Record<string, string> = { "accept-encoding": "identity" };
    if (resuming) Object.assign(headers, { range: `bytes=${transfer.loaded}-`, "if-range": transfer.version });
    const response = await follow(url, headers, AbortSignal.any([silence.signal, ...(signal ? [signal] : [])]));
    const goesOn =
      resuming &&
      response.status === 206 &&
      response.headers.get("content-range")?.startsWith(`bytes ${transfer.loaded}-`);
    if (!goesOn) {
      const length = response.headers.has("content-encoding") ? 0 : Number(response.headers.get("content-length"));
      Object.assign(transfer, {
        chunks: [],
        loaded: 0,
        of: Number.isSafeInteger(length) ? length : 0,
        version: versionOf(response),
      });
    }
    const tooLong = () => new FileMismatchError(`${url.href}: expected at most ${maxBytes} bytes, got more.`);
    if (transfer.of > maxBytes) throw tooLong();
    for await (const chunk of response.body ?? []) {
      timer.refresh();
      transfer.chunks.push(chunk);
      transfer.loaded += chunk.length;
      if (transfer.loaded > maxBytes) throw tooLong();
      onProgress?.(transfer.loaded, transfer.of);
    }
    if (transfer.of > transfer.loaded) throw new Error("half of the file");
  } finally {
    clearTimeout(timer);
    silence.abort(); // lets go of a body that nobody reads to its end
  }
}

/** The answer with the file in it. @throws AddressError, MissingFileError */
async function follow(first: URL, headers: Record<string, string>, signal: AbortSignal): Promise<Response> {
  let url = first;
  for (let hop = 0; hop <= MOST_REDIRECTS; hop++) {
    const response = await fetch(url, { headers, signal, redirect: "manual", credentials: "omit" });
    const to = response.status >= 300 && response.status < 400 ? response.headers.get("location") : null;
    if (to === null) {
      if (response.ok && response.status !== 204) return response;
      throw new MissingFileError(`${first.href}: expected the file, got HTTP status ${response.status}.`);
    }
    await response.body?.cancel();
    url = checkAddress(URL.canParse(to, url) ? new URL(to, url).href : to);
    if (url.protocol !== "https:" && url.hostname !== first.hostname) {
      throw new AddressError(`${first.href}: expected to stay on https, got sent to ${url.href}.`);
    }
  }
  throw new AddressError(`${first.href}: expected the file after at most ${MOST_REDIRECTS} redirects, got more.`);
}

/** A weak tag may stand for two versions. */
function versionOf({ headers }: Response): string | null {
  const tag = headers.get("etag");
  return tag?.startsWith('"') ? tag : headers.get("last-modified");
}

function unreachable(url: URL, { message, cause }: Error): MissingFileError {
  const why = cause instanceof Error ? `${message}: ${cause.message}` : message;
  return new MissingFileError(`${url.href}: expected the file, got no answer or half of one (${why}). Try again.`);
}
