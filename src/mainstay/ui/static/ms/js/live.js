// One stream per visible tab. A notice says that something changed; the tab asks for the parts that show it.
// A hidden tab closes the stream and asks for everything once when it is looked at again.

import { refetch } from './refetch.js';

const STALE_AFTER_MS = 30000;
const JITTER_MS = 5000;
const RETRY_MAX_MS = 60000;
let stream = null;
let lastContact = 0;
let retries = 0;
let timer = 0;

const topicsOf = (element) => element.dataset.msLive?.split(/\s+/) ?? [element.dataset.msListTopic];
const subscribed = () => [...document.querySelectorAll('[data-ms-live], [data-ms-list-topic]')];
const wanted = () => [...new Set(subscribed().flatMap(topicsOf).filter(Boolean))].sort().slice(0, 50);

const update = async (element) => {
  const fresh = await refetch(element);
  if (fresh && element.isConnected) await htmx.swap({ sourceElement: element, target: element, swap: 'outerMorph', text: fresh.outerHTML });
};

/** @param {Set<string>} topics */
const announce = (topics) => {
  for (const element of document.querySelectorAll('[data-ms-live]')) if (topicsOf(element).some((topic) => topics.has(topic))) update(element);
  document.dispatchEvent(new CustomEvent('ms:changed', { detail: { topics } }));
};

const contact = () => {
  lastContact = Date.now();
  retries = 0;
  document.getElementById('ms-stream')?.setAttribute('hidden', '');
};

const open = () => {
  const base = document.querySelector('meta[name="ms-live"]')?.content;
  const topics = wanted();
  if (!base || !topics.length || document.hidden) return;
  stream = new EventSource(`${base}?topics=${encodeURIComponent(topics.join(','))}`);
  stream.topics = topics.join(',');
  stream.addEventListener('open', contact);
  stream.addEventListener('beat', contact);
  stream.addEventListener('changed', (event) => { contact(); announce(new Set(JSON.parse(event.data).topics)); });
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
  if (!document.hidden && wanted().join(',') !== (stream?.topics ?? '')) { close(); open(); }
};

export const startLive = () => {
  lastContact = Date.now();
  open();
  addEventListener('pagehide', close);
  document.addEventListener('htmx:after:swap', follow);
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) return close();
    open();
    announce(new Set(wanted()));
  });
  setInterval(() => {
    if (!document.hidden && wanted().length && Date.now() - lastContact > STALE_AFTER_MS) document.getElementById('ms-stream')?.removeAttribute('hidden');
  }, 5000);
};
