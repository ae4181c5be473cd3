// Numbers as the page writes them, and the colours of masks.
import type { Interval } from "./contract.ts";

const whole = new Intl.NumberFormat("en");

export const count = (value: number): string => whole.format(value);
export const probability = (value: number): string => value.toFixed(2);
export const percent = (value: number, digits = 1): string => `${(100 * value).toFixed(digits)}\u00a0%`;
export const plural = (value: number, one: string, many = `${one}s`): string => `${count(value)} ${value === 1 ? one : many}`;

export const intervalText = ({ value, low, high }: Interval): string => `${percent(value)} (${percent(low, 0)} to ${percent(high, 0)})`;

/** The colours of the report. */
const palette = ["#2f7bf6", "#f59f0b", "#12b886", "#e64980", "#9b5de5", "#15aabf", "#94c11f", "#fa5252", "#c2884f", "#f783ac"];
export const colourAt = (index: number): string => palette[index % palette.length]!;
