/**
 * A function that keeps its answers, as most of what it is asked repeats.
 * @param most answers that are kept; then it begins anew
 */
export function remembered<T extends string>(work: (text: string) => T, most = 20_000): (text: string) => T {
  const answers = new Map<string, T>();
  return (text) => {
    let answer = answers.get(text);
    if (answer === undefined) {
      answer = work(text);
      if (answers.size >= most) answers.clear();
      answers.set(text, answer);
    }
    return answer;
  };
}
