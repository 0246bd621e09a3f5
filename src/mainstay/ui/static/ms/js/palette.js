// Ctrl/Cmd-K: go to a page, find a record, act. Late answers of older keystrokes are dropped.

const WAIT_MS = 90;
let asked = 0;
let timer = 0;
let returnTo = null;
// The text that the shown answers belong to, and whether Enter was pressed before they came.
let answered = null;
let enterWaits = false;

const dialog = () => document.getElementById('ms-palette');
const field = () => document.getElementById('ms-palette-input');
const place = () => document.getElementById('ms-palette-list');

const open = () => {
  if (dialog().open) return;
  returnTo = document.activeElement;
  dialog().showModal();
  field().value = '';
  answered = null;
  enterWaits = false;
  place().replaceChildren();
  ask();
};

/** Acts of the page below: its own buttons, so that what the palette offers is what the page offers. */
const here = (text) => {
  const wanted = text.replace(/^>\s*/, '').toLowerCase();
  if (!wanted && !text.startsWith('>')) return [];
  if (/^[#@/]/.test(text)) return [];
  const places = document.querySelectorAll('.ms-actions .ms-button, [data-ms-bulk]:not([hidden]) [data-ms-act]');
  return [...places].filter((button) => !button.disabled && button.textContent.toLowerCase().includes(wanted))
    .map((button) => ({ title: button.textContent.trim().replace(/…\s*\w?$/, '…'), kind: 'act', hint: document.querySelector('h1')?.textContent.trim().split('\n')[0] ?? '', button }));
};

const run = (item) => {
  if (!item) return;
  if (item.button) {
    returnTo = null;
    dialog().close();
    item.button.click();
  } else if (item.dataset.url) location.assign(item.dataset.url);
};

const option = (hit, index) => {
  const item = document.createElement('li');
  item.id = `ms-palette-${index}`;
  item.setAttribute('role', 'option');
  if (hit.button) item.button = hit.button;
  else item.dataset.url = hit.url;
  const title = document.createElement('span');
  title.textContent = hit.title;
  const kind = document.createElement('small');
  kind.textContent = hit.hint ? `${hit.kind} · ${hit.hint}` : hit.kind;
  item.append(title, kind);
  return item;
};

const ask = async () => {
  const number = ++asked;
  const text = field().value;
  const base = document.querySelector('meta[name="ms-palette"]')?.content;
  if (!base) return;
  const answer = await fetch(`${base}?q=${encodeURIComponent(text)}`, { headers: { Accept: 'application/json' } }).catch(() => null);
  if (!answer?.ok || number !== asked) return;
  const { hits } = await answer.json();
  place().replaceChildren(...[...here(text), ...hits].map(option));
  choose(0);
  answered = text;
  if (enterWaits) go();
};

// Enter means the first answer to what was typed, not to what was typed a moment ago.
const go = () => {
  enterWaits = answered !== field().value;
  if (!enterWaits) run(place().children[chosen()]);
};

const choose = (index) => {
  const all = [...place().children];
  const at = Math.max(0, Math.min(all.length - 1, index));
  all.forEach((item, number) => item.setAttribute('aria-selected', String(number === at)));
  all[at]?.scrollIntoView({ block: 'nearest' });
  field().setAttribute('aria-activedescendant', all[at]?.id ?? '');
};

const chosen = () => [...place().children].findIndex((item) => item.getAttribute('aria-selected') === 'true');

const onKey = (event) => {
  if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
    event.preventDefault();
    choose(chosen() + (event.key === 'ArrowDown' ? 1 : -1));
  } else if (event.key === 'Enter' && !event.isComposing) {
    event.preventDefault();
    go();
  }
};

export const startPalette = () => {
  if (!dialog()) return;
  document.addEventListener('keydown', (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === 'k') {
      event.preventDefault();
      open();
    }
  });
  document.addEventListener('click', (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (target?.closest('[data-ms-palette]')) open();
    run(target?.closest('#ms-palette-list [role="option"]'));
  });
  field().addEventListener('input', () => { enterWaits = false; clearTimeout(timer); timer = setTimeout(ask, WAIT_MS); });
  field().addEventListener('keydown', onKey);
  dialog().addEventListener('close', () => returnTo?.focus?.());
};
