// Classes by a part of their name: those that begin with it first, then those with a word that does, then the rest.

export function searchClasses(classes: string[], text: string, most: number): number[] {
  const wanted = text.trim().toLowerCase();
  if (wanted === "") return classes.slice(0, most).map((_, index) => index);
  const ranked: [rank: number, index: number][] = [];
  classes.forEach((name, index) => {
    const at = name.toLowerCase().indexOf(wanted);
    if (at < 0) return;
    const startsWord = at === 0 || /[\s,_-]/.test(name[at - 1]!);
    const whole = at === 0 && name.length === wanted.length;
    ranked.push([whole ? 0 : at === 0 ? 1 : startsWord ? 2 : 3, index]);
  });
  ranked.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return ranked.slice(0, most).map(([, index]) => index);
}
