// Single keys. Never with a modifier, never while composing, never in a field; Ctrl/Cmd-K is the only chord.
// Each key can be given to another act, and all can be switched off (WCAG 2.1.4); what was chosen is remembered by name of act.

const WAIT_MS = 1500;
const OFF = 'ms_keys_off';
const OWN = 'ms_keys';
const YEAR_S = 31536000;
/** The keys as shipped: act by key. */
const SHIPPED = { j: 'next', k: 'previous', x: 'select', o: 'open', e: 'edit', a: 'acknowledge', z: 'snooze', r: 'reply', i: 'note', n: 'new', f: 'search', '?': 'help', g: 'go', c: 'client' };
let prefix = '';
let timer = 0;

const cookie = (name) => document.cookie.split('; ').find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1) ?? '';
const remember = (name, value) => { document.cookie = `${name}=${value}; path=/; max-age=${YEAR_S}; SameSite=Lax`; };
const isOff = () => cookie(OFF) === '1';

/** Own keys as `act.key` pairs; anything malformed is left out. */
const own = () => Object.fromEntries(cookie(OWN).split('_').map((pair) => pair.split('.')).filter(([act, key]) => Object.values(SHIPPED).includes(act) && key?.length === 1));

const keymap = () => {
  const chosen = own();
  const rest = Object.entries(SHIPPED).filter(([key, act]) => !(act in chosen) && !Object.values(chosen).includes(key));
  return { ...Object.fromEntries(rest), ...Object.fromEntries(Object.entries(chosen).map(([act, key]) => [key, act])) };
};

const inField = (target) => target instanceof Element && target.closest('input:not([type="checkbox"]), textarea, select, [contenteditable="true"], dialog[open]');
const onBox = (target) => target instanceof Element && target.matches('input[type="checkbox"]');
const rows = () => [...document.querySelectorAll('[data-ms-list] tr[data-id], .ms-need')];
const current = () => document.activeElement?.closest?.('tr[data-id], .ms-need');

const move = (step) => {
  const all = rows();
  const at = all.findIndex((row) => row.contains(document.activeElement));
  const row = all[Math.max(0, Math.min(all.length - 1, at + step))];
  row?.querySelector('a, input')?.focus();
};

/** An act of the list needs a selection; without one the row that has the focus is meant. */
const act = (key) => {
  const list = document.querySelector('[data-ms-list]');
  const button = list?.querySelector(`[data-ms-act][data-ms-key="${CSS.escape(key)}"]`);
  if (!button) return document.querySelector(`[data-ms-shortcut="${CSS.escape(key)}"]`)?.click();
  if (list.querySelector('[data-ms-bulk]').hidden) current()?.querySelector('[data-ms-select]')?.click();
  if (!list.querySelector('[data-ms-bulk]').hidden) button.click();
  return undefined;
};

const bulk = () => {
  const bar = document.querySelector('[data-ms-bulk]:not([hidden])');
  if (bar) bar.querySelector('[data-ms-act]')?.focus();
  else document.querySelector('[data-ms-shortcut="e"]')?.click();
};

const field = (name) => {
  const place = document.querySelector(`[data-ms-shortcut="${name}"]`);
  if (!place) return;
  if (place.matches('input, textarea, select')) place.focus();
  else place.click();
};

const acts = {
  next: () => move(1),
  previous: () => move(-1),
  select: (event) => current()?.querySelector('[data-ms-select]')?.dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true, shiftKey: event.shiftKey })),
  open: () => current()?.querySelector('a')?.click(),
  edit: bulk,
  acknowledge: () => act('a'),
  snooze: () => act('z'),
  reply: () => field('r'),
  note: () => field('i'),
  new: () => field('n'),
  search: () => document.querySelector('[data-ms-list-search]')?.focus(),
  help: () => document.getElementById('ms-keys')?.showModal(),
  go: () => wait('g'),
  client: () => openScopes(),
};

const openScopes = () => {
  const menu = document.querySelector('[data-ms-scope-menu]');
  if (!menu) return;
  menu.open = true;
  menu.querySelector('[data-ms-scope-find]').focus();
};

const wait = (value) => {
  clearTimeout(timer);
  prefix = value;
  const hint = document.getElementById('ms-key-hint');
  if (hint) hint.hidden = !value;
  if (value) timer = setTimeout(() => wait(''), WAIT_MS);
};

const go = (key) => document.querySelector(`[data-ms-go="${CSS.escape(key)}"]`)?.click();

const onKey = (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.getModifierState('AltGraph') || event.isComposing) return;
  if (event.key === 'Escape') return wait('');
  if (inField(event.target) || isOff()) return;
  if (prefix === 'g') {
    wait('');
    event.preventDefault();
    return go(event.key);
  }
  const key = event.key.length === 1 && event.key !== '?' ? event.key.toLowerCase() : event.key;
  const name = keymap()[key];
  if (!name || (event.shiftKey && event.key !== '?' && name !== 'select')) return;
  if (onBox(event.target) && event.key === ' ') return;
  event.preventDefault();
  acts[name](event);
};

/** Esc leaves a field; in the palette and in dialogs the browser's own Esc closes. */
const leave = (event) => {
  if (event.key === 'Escape' && inField(event.target) && !event.target.closest('dialog')) event.target.blur();
};

const scopes = (event) => {
  if (!event.target.matches?.('[data-ms-scope-find]')) return;
  const menu = event.target.closest('[data-ms-scope-menu]');
  const choices = [...menu.querySelectorAll('[data-ms-scope-choice]')];
  if (event.type === 'keydown') {
    const shown = choices.filter((choice) => !choice.closest('li').hidden);
    if (!event.target.value && /^[1-9]$/.test(event.key)) { event.preventDefault(); choices[Number(event.key) - 1]?.click(); }
    if (event.key === 'Enter') { event.preventDefault(); shown[0]?.click(); }
    return;
  }
  const text = event.target.value.trim().toLowerCase();
  for (const choice of choices) choice.closest('li').hidden = !choice.textContent.toLowerCase().includes(text);
};

const startChoice = () => {
  const box = document.querySelector('[data-ms-keys-off]');
  if (!box) return;
  box.checked = isOff();
  box.addEventListener('change', () => remember(OFF, box.checked ? '1' : '0'));
  const chosen = own();
  for (const input of document.querySelectorAll('[data-ms-key-of]')) {
    const name = input.getAttribute('data-ms-key-of');
    input.value = chosen[name] ?? Object.keys(SHIPPED).find((key) => SHIPPED[key] === name);
    input.addEventListener('change', () => {
      const all = { ...own(), [name]: input.value.slice(0, 1).toLowerCase() };
      remember(OWN, Object.entries(all).filter(([act, key]) => /^[a-z0-9]$/.test(key) && SHIPPED[key] !== act).map((pair) => pair.join('.')).join('_'));
    });
  }
};

export const startKeys = () => {
  document.addEventListener('keydown', leave);
  document.addEventListener('keydown', scopes);
  document.addEventListener('input', scopes);
  document.addEventListener('keydown', onKey);
  startChoice();
};
