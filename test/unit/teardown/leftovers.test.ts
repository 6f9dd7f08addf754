import fc from "fast-check";
import { type Finder, type Leftover, ofEnvironment, ofRun, removeAll, search } from "../../../tools/teardown/leftovers";

const place = { environment: "dev", prefix: "segue-dev", alone: true, noMachines: true };
const leftover = (name: string, remove: Leftover["remove"] = async () => {}): Leftover => ({
  kind: "bucket",
  name,
  data: true,
  remove,
});

test("names of another environment never count, however alike", () => {
  expect(ofEnvironment(place, "segue-dev")).toBe(true);
  expect(ofEnvironment(place, "segue-dev-data-lake")).toBe(true);
  expect(ofEnvironment(place, undefined)).toBe(false);
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z0-9]{1,6}$/), (more) => {
      expect(ofEnvironment(place, `segue-dev${more}-data-lake`)).toBe(false);
      expect(ofEnvironment(place, `${more}segue-dev-data-lake`)).toBe(false);
    }),
  );
});

test("what a run named is told from what others named", () => {
  expect(ofRun.test("20261122t035200-1a2b3c4d-train/algo-1-1")).toBe(true);
  for (const name of ["my-job-20261122t035200-1a2b3c4d", "20261122-train", "pytorch-training-2026"]) {
    expect([name, ofRun.test(name)]).toEqual([name, false]);
  }
});

test("a kind that may not be looked at hides no other", async () => {
  const finders: Finder[] = [
    { kind: "streams", find: async () => [leftover("one")] },
    {
      kind: "databases",
      find: async () => {
        throw new Error("not authorized to perform: rds:DescribeDBClusters\nmore");
      },
    },
    { kind: "buckets", find: async () => [leftover("two")] },
  ];
  const { leftovers, unseen } = await search(finders, place);
  expect(leftovers.map(({ name }) => name)).toEqual(["one", "two"]);
  expect(unseen).toEqual([{ kind: "databases", why: "not authorized to perform: rds:DescribeDBClusters" }]);
});

test("goes on after one that cannot be removed, and reports it", async () => {
  const removed: string[] = [];
  const remove = (name: string) => leftover(name, async () => void removed.push(name));
  const stuck = leftover("b", async () => {
    throw new Error("BucketNotEmpty");
  });
  const lines: string[] = [];
  expect(await removeAll([remove("a"), stuck, remove("c")], (line) => lines.push(line))).toEqual([
    { name: "b", why: "BucketNotEmpty" },
  ]);
  expect(removed).toEqual(["a", "c"]);
  expect(lines).toEqual(["removed  bucket a", "FAILED   bucket b: BucketNotEmpty", "removed  bucket c"]);
});
