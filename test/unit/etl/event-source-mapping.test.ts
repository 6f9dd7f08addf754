import type { KinesisStreamRecord } from "aws-lambda";
import { deliver, type Mapping } from "../../support/event-source-mapping";
import { kinesisRecord } from "../../support/events";

const shard = Array.from({ length: 8 }, (_, i) => kinesisRecord(i, `${i}`));
const textOf = ({ kinesis }: KinesisStreamRecord) => Buffer.from(kinesis.data, "base64").toString();
const sequence = (i: number) => shard[i]!.kinesis.sequenceNumber;
const mapping: Mapping = { batchSize: 4, retryAttempts: 2, bisectBatchOnError: true, reportBatchItemFailures: true };

/** Delivers to `reader` and notes each batch as `0123`. */
async function calls(reader: (batch: string) => unknown, changes: Partial<Mapping> = {}) {
  const batches: string[] = [];
  const givenUp = await deliver(shard, { ...mapping, ...changes }, async (records) => {
    const batch = records.map(textOf).join("");
    batches.push(batch);
    return reader(batch);
  });
  return { batches, givenUp: givenUp.map(textOf).join("") };
}

test.each([[undefined], [null], [{}], [{ batchItemFailures: null }], [{ batchItemFailures: [] }]])(
  "%j is success",
  async (answer) => {
    expect(await calls(() => answer)).toEqual({ batches: ["0123", "4567"], givenUp: "" });
  },
);

test("the rest of a batch comes again from the lowest failed item", async () => {
  let first = true;
  const { batches } = await calls(() => {
    const failed = first ? [3, 2].map((i) => ({ itemIdentifier: sequence(i) })) : [];
    first = false;
    return { batchItemFailures: failed };
  });
  expect(batches).toEqual(["0123", "23", "4567"]);
});

test.each([[""], [null], ["unknown"]])("an item named %j fails the whole batch", async (itemIdentifier) => {
  let first = true;
  const { batches } = await calls(() => {
    const failed = first ? [{ itemIdentifier }] : [];
    first = false;
    return { batchItemFailures: failed };
  });
  expect(batches).toEqual(["0123", "01", "23", "4567"]);
});

test("halving finds the poison without a retry, and only it is given up", async () => {
  const { batches, givenUp } = await calls((batch) => {
    if (batch.includes("2")) throw new Error("poison");
  });
  expect(batches).toEqual(["0123", "01", "23", "2", "2", "2", "3", "4567"]);
  expect(givenUp).toBe("2");
});

test("without halving and reporting a batch is retried and given up as a whole", async () => {
  const plain = { bisectBatchOnError: false, reportBatchItemFailures: false };
  const { batches, givenUp } = await calls((batch) => {
    if (batch.includes("2")) throw new Error("poison");
    return { batchItemFailures: [{ itemIdentifier: sequence(5) }] };
  }, plain);
  expect(batches).toEqual(["0123", "0123", "0123", "4567"]);
  expect(givenUp).toBe("0123");
});
