import calculateSlot from "cluster-key-slot";
import type { Cluster, Redis } from "iovalkey";

/**
 * The nodes of a cluster, for reads that go straight to them: half of what the client's own gathering of commands costs. It knows the slots
 * and keeps the connections; whatever a node refuses is for the client to ask again.
 */
export class CacheNodes {
  readonly #cluster: Cluster;
  readonly #byName = new Map<string, Redis>();
  #gathering: Redis["stream"][] = [];

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    const forget = () => this.#byName.clear();
    cluster.on("+node", forget).on("-node", forget);
  }

  /** The node that has the key; undefined where there is none to be asked now. What is sent to it in this turn goes out as one. */
  of(key: string): Redis | undefined {
    const name = this.#cluster.slots[calculateSlot(key)]?.[0];
    const node = name === undefined ? undefined : (this.#byName.get(name) ?? this.#find(name));
    if (node?.status !== "ready") return undefined;
    this.#gather(node.stream);
    return node;
  }

  #find(name: string): Redis | undefined {
    for (const node of this.#cluster.nodes("all")) this.#byName.set(`${node.options.host}:${node.options.port}`, node);
    return this.#byName.get(name);
  }

  #gather(stream: Redis["stream"]): void {
    if (this.#gathering.includes(stream)) return;
    stream.cork();
    if (this.#gathering.push(stream) === 1) setImmediate(this.#send);
  }

  readonly #send = (): void => {
    const streams = this.#gathering;
    this.#gathering = [];
    for (const stream of streams) stream.uncork();
  };
}
