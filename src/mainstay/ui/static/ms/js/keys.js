// Single keys. Never with a modifier, never while composing, never in a field; Ctrl/Cmd-K is the only chord.

const WAIT_MS = 1500;
const OFF = 'ms_keys_off';
let prefix = '';
let timer = 0;

const isOff = () => document.cookie.includes(`${OFF}=1`);
const inField = (target) => target instanceof Element && target.closest('input, textarea, select, [contenteditable="true"], dialog[open]');
const rows = () => [...document.querySelectorAll('[data-ms-list] tr[data-id]')];

const move = (step) => {
  const all = rows();
  const at = all.findIndex((row) => row.contains(document.activeElement));
  const row = all[Math.max(0, Math.min(all.length - 1, at + step))];
  row?.querySelector('a, input')?.focus();
};

const current = () => document.activeElement?.closest?.('tr[data-id]');

const acts = {
  j: () => move(1),
  k: () => move(-1),
  x: () => current()?.querySelector('[data-ms-select]')?.click(),
  o: () => current()?.querySelector('a')?.click(),
  f: () => document.querySelector('[data-ms-list-search]')?.focus(),
  '?': () => document.getElementById('ms-keys')?.showModal(),
};

const go = (key) => document.querySelector(`[data-ms-go="${CSS.escape(key)}"]`)?.click();

const setPrefix = (value) => {
  clearTimeout(timer);
  prefix = value;
  if (value) timer = setTimeout(() => setPrefix(''), WAIT_MS);
};

const onKey = (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.getModifierState('AltGraph') || event.isComposing) return;
  if (event.key === 'Escape' && inField(event.target)) return event.target.blur();
  if (inField(event.target) || isOff()) return;
  if (prefix === 'g') {
    setPrefix('');
    return go(event.key);
  }
  if (event.key === 'g') return setPrefix('g');
  const act = acts[event.key];
  if (!act) return;
  event.preventDefault();
  act();
};

export const startKeys = () => {
  document.addEventListener('keydown', onKey);
  const box = document.querySelector('[data-ms-keys-off]');
  if (!box) return;
  box.checked = isOff();
  box.addEventListener('change', () => { document.cookie = `${OFF}=${box.checked ? 1 : 0}; path=/; max-age=31536000; SameSite=Lax`; });
};
