import { parseOptions } from "../../../laptop/demo/options";

describe("the demo's options", () => {
  it("default to the invented world of a size worth training on", () => {
    expect(parseOptions([])).toEqual({
      once: false,
      seed: 1,
      listeners: 2_200,
      artists: 1_500,
      days: 60,
      maxEvents: 250_000,
      keep: false,
      state: ".segue/demo",
    });
  });

  it("take what is given", () => {
    const given = ["--once", "--seed", "7", "--dataset", "x.csv", "--port", "8080", "--max-events", "1000"];
    expect(parseOptions(given)).toMatchObject({ once: true, seed: 7, dataset: "x.csv", port: 8080, maxEvents: 1_000 });
  });

  it.each([
    [["--frobnicate"], "--frobnicate"],
    [["--port", "80000"], "--port"],
    [["--port", "http"], "--port"],
    [["--listeners", "-5"], "--listeners"],
    [["--days", "1.5"], "--days"],
    [["--seed"], "--seed"],
    [["extra"], "too many arguments"],
  ])("refuse %j in one line", (argv, named) => {
    let message = "";
    try {
      parseOptions(argv);
    } catch (error) {
      expect((error as Error).name).toBe("UsageError");
      ({ message } = error as Error);
    }
    expect(message).toContain(named);
    expect(message).not.toContain("\n");
  });

  it("print the help and stop", () => {
    const write = jest.spyOn(process.stdout, "write").mockReturnValue(true);
    try {
      expect(parseOptions(["--help"])).toBeNull();
      expect(write.mock.calls.join("")).toContain("--dataset <path>");
    } finally {
      write.mockRestore();
    }
  });
});
