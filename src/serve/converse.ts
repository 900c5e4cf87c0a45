/**
 * One client's conversation: a message, its answer, the next message. A client that sends faster than it is answered,
 * doesn't read its answers, or falls silent loses its connection, and nobody else notices.
 */
import type { WebSocket } from "ws";

/** Messages that may wait for their answers; a client in step with the server has one. */
const MAX_WAITING = 8;
/** How long a client may take to agree to the end. */
const FAREWELL_MS = 1000;

type Incoming = { readonly text: string } | { readonly bytes: number };

export interface Rules {
  /** A message's answer; null where the client asks to leave. What it throws ends the connection with code 1011. */
  readonly answer: (message: Incoming) => Promise<string | Uint8Array | null>;
  /** Silence, or an answer not taken, for longer ends the connection. */
  readonly idleMs: number;
  /** Told of faults of ours. */
  readonly onFault: (fault: unknown) => void;
}

export interface Conversation {
  /** Says goodbye; what waits for an answer gets none. */
  end(code: number, reason: string): void;
  /** Resolves when the connection has ended and no answer is being computed any more. */
  readonly over: Promise<void>;
}

export function converse(socket: WebSocket, { answer, idleMs, onFault }: Rules): Conversation {
  const waiting: Incoming[] = [];
  let working: Promise<void> | null = null;
  let ending = false;
  let idle: NodeJS.Timeout | undefined;
  awaitClient();

  function awaitClient(): void {
    clearTimeout(idle);
    if (!ending) idle = setTimeout(() => end(1001, `expected a message within ${idleMs / 1000} s`), idleMs);
  }
  function end(code: number, reason: string): void {
    if (ending) return;
    stop();
    farewell(socket, code, reason);
  }
  function stop(): void {
    ending = true;
    waiting.length = 0;
    clearTimeout(idle);
  }

  async function work(): Promise<void> {
    try {
      for (let message = waiting.shift(); message; message = waiting.shift()) {
        clearTimeout(idle); // while we compute, it isn't the client who is slow
        const reply = await answer(message);
        if (reply === null) return end(1000, "as asked");
        awaitClient();
        if (!ending) await send(socket, reply);
        awaitClient();
      }
    } catch (fault) {
      onFault(fault);
      end(1011, "a fault of the server");
    } finally {
      working = null;
    }
  }

  socket.on("message", (data, isBinary) => {
    if (ending) return;
    if (waiting.length >= MAX_WAITING) return end(1008, `expected at most ${MAX_WAITING} messages without an answer`);
    const bytes = data as Buffer; // the socket's binaryType is "nodebuffer"
    waiting.push(isBinary ? { bytes: bytes.length } : { text: bytes.toString("utf8") });
    working ??= work();
  });
  socket.on("error", () => end(1002, "malformed frames")); // too long, not UTF-8, against RFC 6455: ws has closed it
  const over = new Promise<void>((resolve) => {
    socket.once("close", () => {
      stop();
      resolve(working ?? undefined);
    });
  });
  return { end, over };
}

/** Tells the client why the connection ends; one that doesn't agree in time is cut off. */
export function farewell(socket: WebSocket, code: number, reason: string): void {
  socket.close(code, reason);
  const patience = setTimeout(() => socket.terminate(), FAREWELL_MS);
  socket.once("close", () => clearTimeout(patience));
}

/** Until the answer is on its way: a client that doesn't read keeps only itself waiting. */
function send(socket: WebSocket, answer: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    socket.send(answer, () => resolve()); // an error means that the socket is closing, which "close" tells
  });
}
