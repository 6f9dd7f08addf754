import { formatTable } from "./table";

/** Shows what runs, how far it is, and how long it took. */
export class Progress {
  private readonly taken: { title: string; took: number; part: boolean }[] = [];
  private readonly parts: { title: string; took: number; part: boolean }[] = [];
  private shown = "";
  private lastPlain = 0;

  /** @param out a terminal gets one line that is rewritten; anything else gets a line every five seconds */
  constructor(
    private readonly out: NodeJS.WriteStream = process.stdout,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** A line of its own. */
  print(line = ""): void {
    this.clear();
    this.out.write(`${line}\n`);
    if (this.out.isTTY && this.shown) this.draw();
  }

  /**
   * Runs a step under a title. Its `say` tells how far it is; what it says last stands behind the title when it ends.
   */
  async step<T>(title: string, work: (say: (state: string) => void) => Promise<T>): Promise<T> {
    const start = this.now();
    this.lastPlain = start;
    let state = "";
    const show = () => {
      this.shown = `  … ${title}${state && ` · ${state}`} (${seconds(this.now() - start)})`;
      if (this.out.isTTY) this.draw();
      else if (this.now() - this.lastPlain >= 5_000) {
        this.lastPlain = this.now();
        this.out.write(`${this.shown}\n`);
      }
    };
    const timer = setInterval(show, 250);
    const finish = (mark: string) => {
      clearInterval(timer);
      this.clear();
      this.shown = "";
      const took = this.now() - start;
      this.taken.push({ title, took, part: false }, ...this.parts.splice(0));
      this.out.write(`  ${mark} ${title}${state && ` · ${state}`}  ${seconds(took)}\n`);
    };
    show();
    try {
      const result = await work((next) => {
        state = next;
      });
      finish("✔");
      return result;
    } catch (error) {
      finish("✘");
      throw error;
    }
  }

  /** Says that a part of the running step ended, and counts it under that step. */
  part(title: string, took: number, detail = ""): void {
    this.parts.push({ title, took, part: true });
    this.print(`      ${title.padEnd(14)} ${seconds(took).padStart(7)}${detail && `   ${detail}`}`);
  }

  /** Where the time went, step by step; parts of a step are indented and not added up again. */
  table(): string {
    const total = this.taken.reduce((sum, { took, part }) => sum + (part ? 0 : took), 0);
    const rows = this.taken.map(({ title, took, part }) => [
      part ? `  ${title}` : title,
      seconds(took),
      `${Math.round((100 * took) / total)} %`,
    ]);
    return formatTable(["step", "time", "share"], [...rows, ["all", seconds(total), "100 %"]]);
  }

  /** Forgets the line that is being rewritten, before the process says its last words. */
  end(): void {
    this.clear();
    this.shown = "";
  }

  private clear(): void {
    if (this.out.isTTY && this.shown) this.out.write("\r\u001b[2K");
  }

  private draw(): void {
    const width = (this.out.columns ?? 80) - 1;
    this.out.write(`\r\u001b[2K${this.shown.slice(0, width)}`);
  }
}

const seconds = (milliseconds: number): string => `${(milliseconds / 1000).toFixed(1)} s`;
