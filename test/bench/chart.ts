import { existsSync, readdirSync } from 'node:fs';
import { Resvg } from '@resvg/resvg-js';
import { reach } from './harness.ts';
import type { Machine, Result } from './harness.ts';
import { figure } from './table.ts';

// One bar for each scenario that has a target: how much of the target was reached. Bars end at three times the target,
// since what matters is on which side of the line they end.

const width = 1_120;
const left = 460;
const right = 240;
const rowHeight = 34;
const top = 74;
const reachMax = 3;
const colours = { reached: '#2e7d4f', short: '#c0452c', line: '#1f2933', grid: '#d9dee3', text: '#1f2933', faint: '#66727f' };

/** The chart as SVG: plain shapes and text, no script, light background. */
export function chart(results: readonly Result[], facts: Machine, data: string): string {
  const bars = results.flatMap((result) => {
    const part = reach(result);
    return part === undefined ? [] : [{ result, part }];
  });
  const height = top + bars.length * rowHeight + 56;
  const scale = (part: number) => left + (Math.min(part, reachMax) / reachMax) * (width - left - right);
  const bottom = top + bars.length * rowHeight;
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="DejaVu Sans, Liberation Sans, Helvetica, Arial, sans-serif" font-size="13">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(24, 32, 'Starling: measured against its targets', { size: 18, weight: 'bold' }),
    text(24, 52, `${data}; ${facts.cores} cores, Node ${facts.node}, ${facts.date.slice(0, 10)}`, { fill: colours.faint, size: 12 }),
  ];
  for (const part of [0, 1, 2, 3]) {
    const x = scale(part);
    parts.push(line(x, top - 6, bottom, part === 1 ? colours.line : colours.grid, part === 1 ? 2 : 1));
    parts.push(
      text(x, bottom + 18, part === 1 ? 'target' : part === reachMax ? `${part}× and more` : `${part}×`, {
        anchor: 'middle',
        fill: colours.faint,
        size: 12,
      }),
    );
  }
  bars.forEach(({ result, part }, index) => {
    const y = top + index * rowHeight;
    const fill = part >= 1 ? colours.reached : colours.short;
    parts.push(text(left - 12, y + 21, result.title, { anchor: 'end' }));
    parts.push(`<rect x="${left}" y="${y + 7}" width="${round(Math.max(1, scale(part) - left))}" height="20" rx="2" fill="${fill}"/>`);
    parts.push(text(width - right + 14, y + 21, label(result), { size: 12 }));
  });
  // The line of the target stands over the bars, so that one sees how far they pass it.
  parts.push(line(scale(1), top - 6, bottom, colours.line, 2), '</svg>');
  return parts.join('\n');
}

/** The SVG as PNG, twice the size for sharp text; undefined with a reason where the machine has no font to draw text with. */
export function png(svg: string): Buffer | { readonly reason: string } {
  if (!hasFonts()) return { reason: 'no fonts are installed on this machine (apt-get install fonts-dejavu-core)' };
  return new Resvg(svg, { fitTo: { mode: 'zoom', value: 2 }, font: { loadSystemFonts: true, defaultFontFamily: 'DejaVu Sans' } })
    .render()
    .asPng();
}

function label(result: Result): string {
  const unit = result.unit === 'x' ? '×' : ` ${result.unit}`;
  const target = result.target!;
  return `${figure(result.measured.median)}${unit} (${target.kind} ${figure(target.value)})`;
}

function text(
  x: number,
  y: number,
  content: string,
  style: { anchor?: string; fill?: string; size?: number; weight?: string } = {},
): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return `<text x="${round(x)}" y="${y}" text-anchor="${style.anchor ?? 'start'}" fill="${style.fill ?? colours.text}" font-size="${style.size ?? 13}" font-weight="${style.weight ?? 'normal'}">${escaped}</text>`;
}

function line(x: number, from: number, to: number, stroke: string, strokeWidth: number): string {
  return `<line x1="${round(x)}" y1="${from}" x2="${round(x)}" y2="${to}" stroke="${stroke}" stroke-width="${strokeWidth}"/>`;
}

const round = (value: number) => Math.round(value * 10) / 10;

function hasFonts(): boolean {
  if (process.platform !== 'linux') return true;
  return ['/usr/share/fonts', '/usr/local/share/fonts'].some((folder) => existsSync(folder) && readdirSync(folder).length > 0);
}
