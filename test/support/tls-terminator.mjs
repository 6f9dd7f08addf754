/**
 * TLS before a server that has none: takes connections on loopback and passes on what they say. A process of its own, so that it can be
 * stopped and paused with the server. The first line of its input is `{"port","to","key","cert"}`; it prints the port that it listens on.
 */
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { createServer } from "node:tls";

const [line] = await new Promise((resolve) => {
  createInterface({ input: process.stdin }).once("line", (text) => resolve([text]));
});
const { port, to, key, cert } = JSON.parse(line);
const server = createServer({ key, cert, minVersion: "TLSv1.2" }, (client) => {
  const upstream = connect(to, "127.0.0.1").setNoDelay(true);
  client.setNoDelay(true);
  for (const [one, other] of [
    [client, upstream],
    [upstream, client],
  ]) {
    one.on("error", () => other.destroy());
    one.on("close", () => other.destroy());
    one.pipe(other);
  }
});
// Who does not trust the certificate ends the handshake: nothing to do about it.
server.on("tlsClientError", () => undefined);
server.listen(port, "127.0.0.1", () => console.log(server.address().port));
