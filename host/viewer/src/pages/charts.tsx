// The two charts of the thresholds page.
import type { Thresholds } from "../contract.ts";
import { count } from "../format.ts";
import { binned } from "../outcomes.ts";

const WIDTH = 560;
const HEIGHT = 250;
const LEFT = 58;
const RIGHT = 14;
const TOP = 12;
const BOTTOM = 32;
const x = (value: number) => LEFT + value * (WIDTH - LEFT - RIGHT);
const y = (share: number) => HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM);

interface Props {
  thresholds: Thresholds;
  tau: number;
  own: number;
}

/** Given and added labels by probability, side by side above a logarithmic scale. */
export function Histogram({ thresholds, tau, own }: Props) {
  const bins = binned(thresholds, 50);
  const most = Math.max(10, ...bins.map((bin) => Math.max(bin.given, bin.added)));
  const decades = Math.ceil(Math.log10(most));
  const level = (value: number) => (value <= 0 ? 0 : (Math.log10(value) + 0.35) / (decades + 0.35));
  const powers = Array.from({ length: decades + 1 }, (_, power) => 10 ** power);
  const bar = (value: number, low: number, place: number, kind: string) => {
    const width = (x(0.02) - x(0) - 2) / 2;
    return value > 0 && <rect class={`bar ${kind}${low + 1e-9 < tau ? " faint" : ""}`} x={x(low) + 1 + place * width} width={width} y={y(level(value))} height={y(0) - y(level(value))} />;
  };
  return (
    <figure>
      <svg class="chart" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`Histogram of probabilities; the threshold is ${tau.toFixed(2)}`}>
        {powers.map((power) => (
          <g key={power}>
            <line class="grid-line" x1={LEFT} x2={WIDTH - RIGHT} y1={y(level(power))} y2={y(level(power))} />
            <text class="end" x={LEFT - 8} y={y(level(power)) + 4}>{count(power)}</text>
          </g>
        ))}
        {bins.map((bin) => [bar(bin.given, bin.low, 0, "given"), bar(bin.added, bin.low, 1, "added")])}
        <Axis tau={tau} own={own} />
      </svg>
      <figcaption class="legend"><span><i class="given" />given labels</span><span><i class="added" />other classes</span></figcaption>
    </figure>
  );
}

export function Curves({ thresholds, tau, own }: Props) {
  const { images, multiple, none } = thresholds;
  const path = (values: number[]) => values.map((value, k) => `${k === 0 ? "M" : "L"}${x(k / 100).toFixed(1)},${y(images === 0 ? 0 : value / images).toFixed(1)}`).join("");
  return (
    <figure>
      <svg class="chart" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`Images with several labels and with none, by threshold; it is ${tau.toFixed(2)}`}>
        {[0, 0.25, 0.5, 0.75, 1].map((share) => (
          <g key={share}>
            <line class="grid-line" x1={LEFT} x2={WIDTH - RIGHT} y1={y(share)} y2={y(share)} />
            <text class="end" x={LEFT - 8} y={y(share) + 4}>{100 * share} %</text>
          </g>
        ))}
        <path class="line added" d={path(multiple)} />
        <path class="line given" d={path(none)} />
        <Axis tau={tau} own={own} />
      </svg>
      <figcaption class="legend"><span><i class="added" />several labels</span><span><i class="given" />no label</span></figcaption>
    </figure>
  );
}

function Axis({ tau, own }: { tau: number; own: number }) {
  return (
    <>
      {[0, 0.2, 0.4, 0.6, 0.8, 1].map((value) => <text key={value} x={x(value)} y={HEIGHT - 10}>{value}</text>)}
      {own !== tau && <line class="own" x1={x(own)} x2={x(own)} y1={TOP} y2={y(0)} />}
      <line class="tau" x1={x(tau)} x2={x(tau)} y1={TOP - 6} y2={y(0)} />
    </>
  );
}
