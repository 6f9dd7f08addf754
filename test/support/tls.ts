import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Identity } from "./certificates";

/** TLS on a port of loopback, before a plain server on another. */
export interface Terminator {
  readonly port: number;
  kill(signal: NodeJS.Signals): void;
  /** Ends it at once, and every connection through it. */
  stop(): Promise<void>;
}

/**
 * @param to the plain server's port
 * @param port where to listen, or 0 for a free port
 */
export async function terminateTls(to: number, identity: Identity, port = 0): Promise<Terminator> {
  const child = spawn(process.execPath, [join(__dirname, "tls-terminator.mjs")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.write(`${JSON.stringify({ port, to, ...identity })}\n`);
  const [line] = await Promise.race([
    once(createInterface({ input: child.stdout }), "line"),
    once(child, "exit").then(([code]) => Promise.reject(new Error(`the TLS terminator ended with ${code}`))),
  ]);
  return {
    port: Number(line),
    kill: (signal) => child.kill(signal),
    async stop() {
      const gone = child.exitCode === null && child.signalCode === null ? once(child, "exit") : undefined;
      child.kill("SIGKILL");
      await gone;
    },
  };
}
