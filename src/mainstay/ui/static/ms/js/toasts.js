// Short notices. No error lives only here: the page that caused it stays as it is, and says more when asked again.

import { say } from './words.js';

const SHOWN_MS = 9000;

/** @param {string} text @param {string} tone */
export const toast = (text, tone = 'info') => {
  const place = document.getElementById('ms-toasts');
  if (!place) return;
  const note = document.createElement('p');
  note.className = `ms-toast ms-toast-${tone}`;
  note.textContent = text;
  place.append(note);
  setTimeout(() => note.remove(), SHOWN_MS);
};

/** The sentence of an error page, or the status when the answer has none. */
const sentenceOf = (text, status) => {
  const page = new DOMParser().parseFromString(text || '', 'text/html');
  return page.querySelector('.ms-error-detail')?.textContent.trim() || say('answered', { status });
};

export const startToasts = () => {
  for (const note of document.querySelectorAll('.ms-toast')) setTimeout(() => note.remove(), SHOWN_MS);
  document.addEventListener('htmx:response:error', (event) => {
    const { ctx } = event.detail;
    if (ctx.response.status !== 422 || ctx.target?.id === 'ms-dialog') toast(sentenceOf(ctx.text, ctx.response.status), 'critical');
  });
  document.addEventListener('htmx:error', (event) => {
    if (event.detail.ctx && !event.detail.ctx.response) toast(say('unreachable'), 'critical');
  });
};
