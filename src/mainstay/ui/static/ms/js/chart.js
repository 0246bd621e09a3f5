// <ms-chart src label unit every range height>: lines that move, with their words and their numbers.
// A gap stays a gap. The cursors of a page move together. Dragging zooms and asks for finer data.

import uPlot from '../../vendor/uPlot.js';
import { language, say } from './words.js';

const RANGES = ['15m', '1h', '6h', '24h', '7d', '30d'];
const HEIGHT = 150;
const together = uPlot.sync('page');

const loadStyles = () => {
  const link = document.createElement('link');
  link.rel = 'stylesheet';
  link.href = new URL('../../vendor/uPlot.min.css', import.meta.url).href;
  document.head.append(link);
};
loadStyles();

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const make = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
const bytes = (value) => {
  const step = value ? Math.min(Math.max(Math.floor(Math.log(Math.abs(value)) / Math.log(1024)), 0), UNITS.length - 1) : 0;
  const scaled = value / 1024 ** step;
  return `${scaled >= 100 || !step ? scaled.toFixed(0) : scaled.toPrecision(3)} ${UNITS[step]}`;
};

const clock = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit' });
const clockSeconds = new Intl.DateTimeFormat(language, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat(language, { day: 'numeric', month: 'short' });

/** Marks of the time axis: as fine as the distance between them, midnight as its date. */
const instants = (_, marks, axis, space, distance) => marks.map((mark) => {
  const at = new Date(mark * 1000);
  if (distance >= 86400 || (at.getHours() === 0 && at.getMinutes() === 0 && at.getSeconds() === 0)) return day.format(at);
  return (distance < 60 ? clockSeconds : clock).format(at);
});

/** @param {number|null} value @param {string} unit */
export const spell = (value, unit) => {
  if (value === null || value === undefined) return '–';
  if (unit === 'bytes') return bytes(value);
  if (unit === 'bytes/s') return `${bytes(value)}/s`;
  const text = Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
  return unit ? `${text}\u202f${unit}` : text;
};

/** The newest value; the last two instants may still be under way. */
const newest = (values) => values.slice(-3).findLast((value) => value !== null) ?? null;

class Chart extends HTMLElement {
  connectedCallback() {
    if (this.built) return this.resume();
    this.built = true;
    this.range = this.getAttribute('range') || '15m';
    this.setAttribute('hx-morph-skip', '');
    this.frame();
    this.watcher = new ResizeObserver(() => this.resize());
    this.watcher.observe(this.plotPlace);
    this.onPreferences = () => this.draw(true);
    document.addEventListener('ms:preferences', this.onPreferences);
    this.resume();
  }

  disconnectedCallback() {
    clearInterval(this.timer);
  }

  resume() {
    this.load();
    clearInterval(this.timer);
    const every = Number(this.getAttribute('every'));
    if (every > 0) this.timer = setInterval(() => { if (!document.hidden && !this.zoomed) this.load(); }, every * 1000);
  }

  frame() {
    const head = make('div', 'ms-chart-head');
    this.name = make('span', 'ms-chart-name', this.getAttribute('label') || '');
    this.now = make('span', 'ms-chart-now', '');
    head.append(this.name, make('span', 'ms-spring'), this.now);
    this.plotPlace = make('div', 'ms-chart-plot');
    this.plotPlace.setAttribute('role', 'img');
    this.plotPlace.setAttribute('aria-label', `${this.getAttribute('label') || say('chart')}: ${say('loading')}`);
    this.legend = make('p', 'ms-chart-legend');
    this.summary = make('p', 'ms-chart-summary', say('loading'));
    this.tablePlace = make('div', 'ms-chart-table');
    this.tablePlace.hidden = true;
    this.tablePlace.tabIndex = 0;
    this.tablePlace.setAttribute('role', 'region');
    this.tablePlace.setAttribute('aria-label', `${this.getAttribute('label') || say('chart')}: ${say('as-table')}`);
    this.replaceChildren(head, this.plotPlace, this.legend, this.summary, this.tools(), this.tablePlace);
  }

  tools() {
    const bar = make('div', 'ms-chart-tools');
    for (const range of this.hasAttribute('plain') ? [] : RANGES) {
      const button = make('button', '', range);
      button.type = 'button';
      button.dataset.range = range;
      button.setAttribute('aria-label', `${this.getAttribute('label') || say('chart')}: ${say('last', { range })}`);
      button.addEventListener('click', () => { this.range = range; this.zoomed = null; this.load(); });
      bar.append(button);
    }
    this.tableButton = make('button', '', say('table'));
    this.tableButton.setAttribute('aria-label', say('as-table'));
    this.tableButton.type = 'button';
    this.tableButton.setAttribute('aria-pressed', 'false');
    this.tableButton.addEventListener('click', () => this.toggleTable());
    this.wholeButton = make('button', '', say('undo-zoom'));
    this.wholeButton.type = 'button';
    this.wholeButton.hidden = true;
    this.wholeButton.addEventListener('click', () => { this.zoomed = null; this.load(); });
    bar.append(make('span', 'ms-spring'), this.wholeButton, this.tableButton);
    this.bar = bar;
    return bar;
  }

  address() {
    const url = new URL(this.getAttribute('src'), location.href);
    if (this.zoomed) {
      url.searchParams.set('from', this.zoomed[0]);
      url.searchParams.set('to', this.zoomed[1]);
    } else url.searchParams.set('range', this.range);
    return url;
  }

  async load() {
    this.wholeButton.hidden = !this.zoomed;
    for (const button of this.bar.querySelectorAll('[data-range]')) button.setAttribute('aria-pressed', String(!this.zoomed && button.dataset.range === this.range));
    const answer = await fetch(this.address(), { headers: { Accept: 'application/json' } }).catch(() => null);
    if (!answer?.ok) return this.fail(answer);
    const fresh = await answer.json();
    const sameShape = this.data && this.data.series.length === fresh.series.length && this.plot;
    this.data = fresh;
    this.classList.remove('ms-stale-values');
    this.draw(!sameShape);
  }

  /** The last good values stay, marked as old: a missing measurement is never 0. */
  async fail(answer) {
    this.classList.add('ms-stale-values');
    const problem = answer && (answer.headers.get('Content-Type') || '').includes('json') ? await answer.json() : null;
    this.summary.textContent = problem?.detail || say('values-unread');
  }

  draw(anew) {
    if (!this.data) return;
    const { t, series } = this.data;
    const unit = this.getAttribute('unit') || series[0]?.unit || '';
    const last = series.length === 1 ? newest(series[0].values) : undefined;
    this.now.textContent = last === undefined ? '' : spell(last, unit);
    this.summary.textContent = this.data.summary;
    this.plotPlace.setAttribute('aria-label', `${this.getAttribute('label') || this.data.title}: ${this.data.summary}`);
    this.showLegend(series);
    if (!this.tablePlace.hidden) this.showTable();
    const columns = [t, ...series.map((one) => one.values)];
    if (!anew && this.plot) return this.plot.setData(columns);
    this.plot?.destroy();
    this.plot = t.length ? new uPlot(this.options(series, unit), columns, this.plotPlace) : null;
    return undefined;
  }

  options(series, unit) {
    const ink = style('--ms-ink-2');
    const axis = { stroke: ink, grid: { stroke: style('--ms-line'), width: 1 }, ticks: { show: false }, font: '11px system-ui, sans-serif' };
    const percent = unit === '%';
    return {
      width: this.plotPlace.clientWidth || 300,
      height: Number(this.getAttribute('height')) || HEIGHT,
      padding: [8, 8, 0, 0],
      legend: { show: false },
      cursor: { sync: { key: together.key }, points: { size: 6 }, drag: { x: true, y: false, setScale: false } },
      scales: { y: { range: (_, low, high) => (percent ? [0, 100] : [Math.min(0, low ?? 0), (high || 1) * 1.1]) } },
      axes: [{ ...axis, space: 76, size: 24, values: instants }, { ...axis, size: 62, space: 36, values: (_, marks) => marks.map((mark) => spell(mark, unit)) }],
      series: [{}, ...series.map((one, index) => this.line(one, index, series.length))],
      hooks: { setSelect: [(plot) => this.zoom(plot)], draw: [(plot) => this.limits(plot)] },
    };
  }

  line(one, index, count) {
    const colour = style(`--ms-chart-${(index % 6) + 1}`);
    return { label: one.name, stroke: colour, width: 1.75, fill: count === 1 ? `color-mix(in srgb, ${colour} 16%, transparent)` : undefined, spanGaps: false, points: { show: false } };
  }

  limits(plot) {
    const { ctx, bbox } = plot;
    for (const limit of this.data.limits ?? []) {
      const y = plot.valToPos(limit.value, 'y', true);
      if (y < bbox.top || y > bbox.top + bbox.height) continue;
      ctx.save();
      ctx.strokeStyle = style('--ms-warning');
      ctx.setLineDash([4, 4]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.restore();
    }
  }

  zoom(plot) {
    const { left, width } = plot.select;
    if (width < 8) return;
    this.zoomed = [Math.floor(plot.posToVal(left, 'x')), Math.ceil(plot.posToVal(left + width, 'x'))];
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.load();
  }

  showLegend(series) {
    this.legend.hidden = series.length < 2;
    if (series.length < 2) return;
    this.legend.replaceChildren(...series.map((one, index) => {
      const entry = make('span', `ms-swatch-${(index % 6) + 1}`);
      entry.append(make('i'), `${one.name} ${spell(newest(one.values), one.unit)}`);
      return entry;
    }));
  }

  toggleTable() {
    this.tablePlace.hidden = !this.tablePlace.hidden;
    this.tableButton.setAttribute('aria-pressed', String(!this.tablePlace.hidden));
    if (!this.tablePlace.hidden) this.showTable();
  }

  showTable() {
    const table = make('table', 'ms-table');
    const head = make('tr');
    head.append(make('th', '', say('time')), ...this.data.series.map((one) => make('th', 'ms-num', one.name)));
    const body = make('tbody');
    for (let row = this.data.t.length - 1; row >= 0 && row > this.data.t.length - 200; row -= 1) {
      const line = make('tr');
      line.append(make('td', '', new Date(this.data.t[row] * 1000).toLocaleString(language)), ...this.data.series.map((one) => make('td', 'ms-num', spell(one.values[row], one.unit))));
      body.append(line);
    }
    const top = make('thead');
    top.append(head);
    table.append(top, body);
    this.tablePlace.replaceChildren(table);
  }

  resize() {
    if (this.plot && this.plotPlace.clientWidth) this.plot.setSize({ width: this.plotPlace.clientWidth, height: Number(this.getAttribute('height')) || HEIGHT });
  }
}

customElements.define('ms-chart', Chart);
