/** The numbers of a page in Prometheus' text format. */
export class MetricsText {
  /** By name with labels, as written. */
  readonly #values = new Map<string, number>();

  constructor(text: string) {
    for (const line of text.split('\n')) {
      const match = /^([a-zA-Z_:][\w:]*(?:\{.*\})?) (\S+)$/.exec(line);
      if (match === null) continue;
      const [, name = '', value = ''] = match;
      this.#values.set(name, value === '+Inf' ? Infinity : Number(value));
    }
  }

  get isEmpty(): boolean {
    return this.#values.size === 0;
  }

  /** undefined where it is not there. */
  get(name: string): number | undefined {
    return this.#values.get(name);
  }

  /** The sum over all labels. */
  sum(name: string): number {
    return this.labelled(name).reduce((sum, { value }) => sum + value, this.get(name) ?? 0);
  }

  /** Each value of a metric with one label, or with one more label `le`. */
  labelled(
    name: string,
  ): { readonly labels: Readonly<Record<string, string>>; readonly value: number }[] {
    return [...this.#values]
      .filter(([full]) => full.startsWith(`${name}{`))
      .map(([full, value]) => ({ labels: labelsOf(full.slice(name.length)), value }));
  }

  /** Average of a histogram; undefined where it is empty. */
  average(name: string, labels = ''): number | undefined {
    const count = this.get(`${name}_count${labels}`) ?? 0;
    return count === 0 ? undefined : (this.get(`${name}_sum${labels}`) ?? 0) / count;
  }

  /** The bound under which 99 of 100 lie; Infinity above the last one, undefined where it is empty. */
  p99(name: string, label?: readonly [string, string]): number | undefined {
    const buckets = this.labelled(`${name}_bucket`)
      .filter(({ labels }) => label === undefined || labels[label[0]] === label[1])
      .map(({ labels, value }) => ({
        bound: labels['le'] === '+Inf' ? Infinity : Number(labels['le']),
        value,
      }))
      .sort((left, right) => left.bound - right.bound);
    const count = buckets.at(-1)?.value ?? 0;
    if (count === 0) return undefined;
    return buckets.find(({ value }) => value >= count * 0.99)?.bound;
  }
}

function labelsOf(text: string): Record<string, string> {
  const pairs = [...text.matchAll(/(\w+)="([^"]*)"/g)];
  return Object.fromEntries(pairs.map(([, name = '', value = '']) => [name, value]));
}
