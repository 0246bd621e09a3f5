// One stream per visible tab. A notice says that something changed; the tab asks for the parts that show it.
// A hidden tab closes the stream and asks for everything once when it is looked at again. Without a stream: every 15 s.

import { refetch } from './refetch.js';
import { language } from './words.js';

const STALE_AFTER_MS = 30000;
const POLL_MS = 15000;
const JITTER_MS = 5000;
const RETRY_MAX_MS = 60000;
const TOPICS_MAX = 50;
let stream = null;
let lastContact = 0;
let lastPoll = 0;
let retries = 0;
let timer = 0;

const topicsOf = (element) => element.dataset.msLive?.split(/\s+/) ?? [element.dataset.msListTopic];
const subscribed = () => [...document.querySelectorAll('[data-ms-live], [data-ms-list-topic]')];
// `alert` is followed by every page: title and icon carry the worst state.
const wanted = () => [...new Set(['alert', ...subscribed().flatMap(topicsOf).filter(Boolean)])].sort().slice(0, TOPICS_MAX);

/** Morph, never replace: focus, caret and typed text stay. A part that somebody types in waits until they have left it. */
const update = async (element) => {
  const fresh = await refetch(element);
  if (!fresh || !element.isConnected) return;
  if (element.contains(document.activeElement) && document.activeElement.matches('input, textarea, select')) return;
  await htmx.swap({ sourceElement: element, target: element, swap: 'outerMorph', text: fresh.outerHTML });
};

/** @param {Set<string>} topics */
const announce = (topics) => {
  for (const element of document.querySelectorAll('[data-ms-live]')) if (topicsOf(element).some((topic) => topics.has(topic))) update(element);
  document.dispatchEvent(new CustomEvent('ms:changed', { detail: { topics } }));
};

const contact = () => {
  lastContact = Date.now();
  retries = 0;
  delete document.documentElement.dataset.stale;
  document.getElementById('ms-stream')?.setAttribute('hidden', '');
};

const markStale = () => {
  document.documentElement.dataset.stale = '';
  const mark = document.getElementById('ms-stream');
  const place = mark?.querySelector('time');
  if (!mark || !place || !mark.hidden) return;
  const at = new Date(lastContact);
  place.dateTime = at.toISOString();
  place.textContent = at.toLocaleTimeString(language, { hour: '2-digit', minute: '2-digit' });
  mark.removeAttribute('hidden');
};

const open = () => {
  const base = document.querySelector('meta[name="ms-live"]')?.content;
  const topics = wanted();
  if (!base || document.hidden) return;
  stream = new EventSource(`${base}?topics=${encodeURIComponent(topics.join(','))}`);
  stream.topics = topics.join(',');
  stream.addEventListener('open', contact);
  stream.addEventListener('beat', contact);
  stream.addEventListener('changed', (event) => { contact(); announce(new Set(JSON.parse(event.data).topics)); });
  // Rights that were lost: the page itself says which, and what was on it is gone.
  stream.addEventListener('revoked', () => { close(); location.reload(); });
  stream.addEventListener('bye', () => again());
  stream.addEventListener('error', () => again());
};

const close = () => {
  clearTimeout(timer);
  stream?.close();
  stream = null;
};

/** Come back later, spread over some seconds, and ask for everything instead of replaying what was missed. */
const again = () => {
  close();
  retries += 1;
  const wait = Math.min(1000 * 2 ** retries, RETRY_MAX_MS) + Math.random() * JITTER_MS;
  timer = setTimeout(() => { open(); announce(new Set(wanted())); }, wait);
};

const follow = () => {
  if (!document.hidden && stream && wanted().join(',') !== stream.topics) { close(); open(); }
};

const watch = () => {
  if (document.hidden) return;
  const now = Date.now();
  if (now - lastContact > STALE_AFTER_MS) markStale();
  if (stream?.readyState === EventSource.OPEN || now - lastPoll < POLL_MS) return;
  lastPoll = now;
  announce(new Set(wanted()));
};

export const startLive = () => {
  lastContact = Date.now();
  lastPoll = lastContact;
  open();
  addEventListener('pagehide', close);
  document.addEventListener('htmx:after:swap', follow);
  document.addEventListener('ms:fresh', contact);
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) return close();
    open();
    announce(new Set(wanted()));
  });
  setInterval(watch, 5000);
};
