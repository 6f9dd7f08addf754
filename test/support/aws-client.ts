import { Readable } from "node:stream";

/** One call as it left the SDK: the operation and its JSON body. */
export interface Call {
  readonly operation: string;
  readonly body: Record<string, unknown>;
}

/**
 * Options for a client of an AWS JSON service, answered here instead of over the network: all of the SDK runs but the
 * socket. `answer` gives the body, or throws `{name, message, status?}` for the service's error.
 */
export function answered(answer: (call: Call) => object) {
  const calls: Call[] = [];
  const handle = async (request: { headers: Record<string, string>; body: Uint8Array }) => {
    const call = {
      operation: request.headers["x-amz-target"]!.split(".").at(-1)!,
      body: JSON.parse(new TextDecoder().decode(request.body)),
    };
    calls.push(call);
    const respond = (statusCode: number, body: object) => ({
      response: {
        statusCode,
        headers: { "content-type": "application/x-amz-json-1.1" },
        body: Readable.from([Buffer.from(JSON.stringify(body))]),
      },
    });
    try {
      return respond(200, answer(call));
    } catch (thrown) {
      const { name, message, status = 400 } = thrown as { name: string; message: string; status?: number };
      return respond(status, { __type: name, message });
    }
  };
  const options = {
    region: "eu-west-1",
    credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" },
    maxAttempts: 1,
    requestHandler: { handle, metadata: { handlerProtocol: "http/1.1" } },
  };
  return { calls, options: options as never };
}
