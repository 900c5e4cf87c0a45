/**
 * One client's conversation: a message, its answer, the next message. A client that sends faster than it is answered,
 * doesn't read its answers, or falls silent loses its connection, and nobody else notices.
 */
import type { WebSocket } from "ws";

/** Messages that may wait for their answers; a client in step with the server has one. */
const MAX_WAITING = 8;
/** How long a client may take to agree to the end. */
const FAREWELL_MS = 1000;

export interface Conversation {
  /** A message's answer; what it throws ends the connection with code 1011. */
  readonly answer: (message: { readonly text: string } | { readonly bytes: number }) => Promise<string | Uint8Array>;
  /** Silence, or an answer not taken, for longer ends the connection. */
  readonly idleMs: number;
  /** Called once, when the connection has ended. */
  readonly onEnd: () => void;
  /** Told of faults of ours. */
  readonly onFault: (fault: unknown) => void;
}

export function converse(socket: WebSocket, { answer, idleMs, onEnd, onFault }: Conversation): void {
  const waiting: ({ readonly text: string } | { readonly bytes: number })[] = [];
  let busy = false;
  let ending = false;
  let idle = setTimeout(fallSilent, idleMs);

  function fallSilent(): void {
    end(1001, `expected a message within ${idleMs / 1000} s`);
  }
  function end(code: number, reason: string): void {
    if (ending) return;
    ending = true;
    waiting.length = 0;
    socket.close(code, reason);
    setTimeout(() => socket.terminate(), FAREWELL_MS).unref();
  }
  function rest(): void {
    clearTimeout(idle);
    idle = setTimeout(fallSilent, idleMs);
  }

  async function work(): Promise<void> {
    if (busy) return;
    busy = true;
    for (let message = waiting.shift(); message && !ending; message = waiting.shift()) {
      clearTimeout(idle); // while we compute, it isn't the client who is slow
      const reply = await answer(message);
      rest();
      if (!ending) await send(socket, reply);
    }
    busy = false;
  }

  socket.on("message", (data, isBinary) => {
    if (ending) return;
    if (waiting.length >= MAX_WAITING) return end(1008, `expected at most ${MAX_WAITING} messages without an answer`);
    rest();
    const bytes = data as Buffer; // the socket's binaryType is "nodebuffer"
    waiting.push(isBinary ? { bytes: bytes.length } : { text: bytes.toString("utf8") });
    work().catch((fault: unknown) => {
      onFault(fault);
      end(1011, "a fault of the server");
    });
  });
  socket.on("error", () => end(1002, "malformed frames")); // too long, not UTF-8, against RFC 6455: ws has closed it
  socket.on("close", () => {
    ending = true;
    waiting.length = 0;
    clearTimeout(idle);
    onEnd();
  });
}

/** Until the answer is on its way: a client that doesn't read keeps only itself waiting. */
function send(socket: WebSocket, answer: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    socket.send(answer, () => resolve()); // an error means that the socket is closing, which "close" tells
  });
}
