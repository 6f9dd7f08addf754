/** Units of CloudWatch that are used here. */
type Unit = "Count" | "Milliseconds";

/** CloudWatch takes no more values of one metric in a line. */
const MOST_VALUES = 100;

/**
 * What one invocation counts and measures, written as one line of CloudWatch's embedded metric format, by service.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 */
export class Metrics {
  readonly #namespace: string;
  readonly #service: string;
  readonly #values = new Map<string, { readonly unit: Unit; readonly values: number[] }>();
  /** The part of the line that says what is measured; invocations measure few sets of things. */
  readonly #directives = new Map<string, string>();
  #notes: object = {};

  constructor(namespace = "Segue", service = "service_undefined") {
    this.#namespace = namespace;
    this.#service = JSON.stringify(service);
  }

  /** Adds a value of a metric. */
  add(name: string, unit: Unit, value: number): void {
    const known = this.#values.get(name);
    if (known && known.values.length >= MOST_VALUES) this.write();
    if (known && this.#values.has(name)) known.values.push(value);
    else this.#values.set(name, { unit, values: [value] });
  }

  /** What else the line says, for whoever searches the logs; no metric is made of it. */
  note(members: object): void {
    this.#notes = { ...this.#notes, ...members };
  }

  /** Writes the line where anything was measured, and begins anew. */
  write(): void {
    if (this.#values.size > 0) {
      let measured = "";
      for (const [name, { values }] of this.#values) {
        measured += `,${JSON.stringify(name)}:${JSON.stringify(values.length === 1 ? values[0] : values)}`;
      }
      const notes = JSON.stringify(this.#notes).slice(1, -1);
      const also = notes === "" ? "" : `${notes},`;
      this.#line(["service"], this.#directive(), `${also}"service":${this.#service}${measured}`);
    }
    this.#values.clear();
    this.#notes = {};
  }

  /** Writes that a function had to be started, by its name, too. */
  coldStart(functionName: string): void {
    const name = JSON.stringify(functionName);
    const members = `"service":${this.#service},"function_name":${name},"ColdStart":1`;
    this.#line(["service", "function_name"], '[{"Name":"ColdStart","Unit":"Count"}]', members);
  }

  #directive(): string {
    const key = [...this.#values.keys()].join();
    let directive = this.#directives.get(key);
    if (directive === undefined) {
      directive = JSON.stringify([...this.#values].map(([Name, { unit }]) => ({ Name, Unit: unit })));
      this.#directives.set(key, directive);
    }
    return directive;
  }

  #line(dimensions: readonly string[], metrics: string, members: string): void {
    const what = `"Namespace":${JSON.stringify(this.#namespace)},"Dimensions":[${JSON.stringify(dimensions)}],"Metrics":${metrics}`;
    process.stdout.write(`{"_aws":{"Timestamp":${Date.now()},"CloudWatchMetrics":[{${what}}]},${members}}\n`);
  }
}
