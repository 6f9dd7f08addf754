import { Breaker } from "../../../lambdas/recommend/breaker";
import { CacheUnavailable } from "../../../lambdas/shared/cache";

let now = 0;
let asked = 0;
let outcome: () => Promise<Buffer | null>;
let breaker: Breaker;
const away = () => Promise.reject(new CacheUnavailable("cache: no answer within 50 ms"));
const here = async () => Buffer.from("v");
const get = () => breaker.get("k").then(String, (error: Error) => error.message);

beforeEach(() => {
  now = 0;
  asked = 0;
  outcome = here;
  const get = () => {
    asked += 1;
    return outcome();
  };
  breaker = new Breaker({ get }, () => now);
});

test("an hour of requests to a cache that is away asks it about once a second", async () => {
  outcome = away;
  const requests = 36_000;
  for (let i = 0; i < requests; i += 1) {
    now += 100;
    await get();
  }
  expect(asked).toBeGreaterThan(3600 / 1.4);
  expect(asked).toBeLessThan(3600 / 0.7);
});

test("it closes with the first answer", async () => {
  outcome = away;
  for (let i = 0; i < 3; i += 1) expect(await get()).toMatch(/no answer within/);
  outcome = here;
  expect(await get()).toMatch(/left alone/);
  expect(asked).toBe(3);
  now += 1251;
  expect(await get()).toBe("v");
  expect(await get()).toBe("v");
  expect(asked).toBe(5);
});

test("one request tries it again, not all that wait", async () => {
  outcome = away;
  for (let i = 0; i < 3; i += 1) await get();
  now += 1251;
  let answer: (bytes: Buffer) => void = () => undefined;
  outcome = () =>
    new Promise((resolve) => {
      answer = resolve;
    });
  const first = get();
  const others = await Promise.all([get(), get(), get()]);
  expect(others.every((message) => /left alone/.test(message))).toBe(true);
  expect(asked).toBe(4);
  answer(Buffer.from("v"));
  expect(await first).toBe("v");
  outcome = here;
  expect(await get()).toBe("v");
});

test("single failures between answers do not open it", async () => {
  for (let i = 0; i < 10; i += 1) {
    outcome = away;
    await get();
    await get();
    outcome = here;
    expect(await get()).toBe("v");
  }
});

test("a refusal is no outage", async () => {
  outcome = () => Promise.reject(new Error("NOPERM"));
  for (let i = 0; i < 5; i += 1) expect(await get()).toBe("NOPERM");
  expect(asked).toBe(5);
});
