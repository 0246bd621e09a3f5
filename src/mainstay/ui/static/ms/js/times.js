// Instants arrive as UTC; here they get the viewer's zone and, when near, words such as "3 min ago".

import { language, say } from './words.js';

const STEPS = [[60, 'second', 1], [3600, 'minute', 60], [86400, 'hour', 3600], [7 * 86400, 'day', 86400]];
const words = new Intl.RelativeTimeFormat(language, { numeric: 'auto', style: 'short' });
const full = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' });
const exact = new Intl.DateTimeFormat(language, { dateStyle: 'full', timeStyle: 'long' });
const REFRESH_MS = 15000;

/** @param {Date} at @param {number} now @returns {string} */
export const relative = (at, now) => {
  const seconds = Math.round((at.getTime() - now) / 1000);
  if (Math.abs(seconds) < 5) return say('just-now');
  const step = STEPS.find(([limit]) => Math.abs(seconds) < limit);
  return step ? words.format(Math.trunc(seconds / step[2]), step[1]) : full.format(at);
};

const refresh = () => {
  const now = Date.now();
  for (const element of document.querySelectorAll('time.ms-time')) {
    const at = new Date(element.getAttribute('datetime'));
    if (Number.isNaN(at.getTime())) continue;
    const text = relative(at, now);
    if (element.textContent !== text) element.textContent = text;
    if (!element.title) element.title = exact.format(at);
  }
};

export const startTimes = () => {
  refresh();
  setInterval(refresh, REFRESH_MS);
  document.addEventListener('htmx:after:swap', refresh);
};
