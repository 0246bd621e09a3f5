// Lists: a selection that survives paging and sorting, bulk acts, rows that change in place and never move by themselves.

import { refetch } from './refetch.js';

/** Selected ids by list name. Memory of this page only: nothing about a customer is kept in the browser. */
const chosen = new Map();
const everything = new Set();
let lastClicked = null;

const selectionOf = (list) => {
  const name = list.dataset.msList;
  if (!chosen.has(name)) chosen.set(name, new Set());
  return chosen.get(name);
};

const show = (list) => {
  const ids = selectionOf(list);
  const all = everything.has(list.dataset.msList);
  let onPage = 0;
  const boxes = list.querySelectorAll('[data-ms-select]');
  for (const box of boxes) {
    box.checked = all || ids.has(box.value);
    box.closest('tr').classList.toggle('ms-selected', box.checked);
    onPage += box.checked ? 1 : 0;
  }
  const whole = list.querySelector('[data-ms-select-page]');
  if (whole) {
    whole.checked = onPage > 0 && onPage === boxes.length;
    whole.indeterminate = onPage > 0 && onPage < boxes.length;
  }
  const bar = list.querySelector('[data-ms-bulk]');
  if (!bar) return;
  bar.hidden = !all && ids.size === 0;
  const count = all ? list.dataset.total : String(ids.size);
  bar.querySelector('[data-ms-selected-count]').textContent = count === '1' ? list.dataset.selectedOne : list.dataset.selectedMany.replace('{n}', count);
  bar.querySelector('[data-ms-select-all]').hidden = all || list.dataset.total === String(ids.size);
};

const showAll = () => document.querySelectorAll('[data-ms-list]').forEach(show);

const choose = (list, box, extend) => {
  everything.delete(list.dataset.msList);
  const ids = selectionOf(list);
  const boxes = [...list.querySelectorAll('[data-ms-select]')];
  const from = extend && lastClicked ? boxes.indexOf(lastClicked) : -1;
  const to = boxes.indexOf(box);
  const range = from >= 0 ? boxes.slice(Math.min(from, to), Math.max(from, to) + 1) : [box];
  for (const one of range) box.checked ? ids.add(one.value) : ids.delete(one.value);
  lastClicked = box;
  show(list);
};

const choosePage = (list, on) => {
  everything.delete(list.dataset.msList);
  const ids = selectionOf(list);
  for (const box of list.querySelectorAll('[data-ms-select]')) on ? ids.add(box.value) : ids.delete(box.value);
  show(list);
};

const clear = (list) => {
  selectionOf(list).clear();
  everything.delete(list.dataset.msList);
  show(list);
};

const plan = (list, act) => {
  const values = new FormData();
  if (everything.has(list.dataset.msList)) {
    values.append('all', '1');
    values.append('query', list.dataset.query);
  } else for (const id of selectionOf(list)) values.append('ids', id);
  post(`${list.dataset.base}bulk/${act}/plan`, values);
};

const post = async (address, values) => {
  const dialog = document.getElementById('ms-dialog');
  const headers = { 'HX-Request': 'true', 'X-CSRFToken': document.querySelector('meta[name="ms-csrf"]').content };
  const answer = await fetch(address, { method: 'POST', body: values, headers });
  const text = await answer.text();
  if (answer.ok) await htmx.swap({ sourceElement: dialog, target: dialog, swap: 'innerHTML', text });
  else document.dispatchEvent(new CustomEvent('htmx:response:error', { detail: { ctx: { response: { status: answer.status }, text, target: dialog } } }));
};

/** Show in place what changed; rows that are new wait behind a bar until somebody asks for them. */
const refresh = async (list) => {
  const fresh = await refetch(list);
  if (!fresh) return;
  const known = new Map([...list.querySelectorAll('tr[data-id]')].map((row) => [row.dataset.id, row]));
  let unseen = 0;
  for (const row of fresh.querySelectorAll('tr[data-id]')) {
    const old = known.get(row.dataset.id);
    if (old) replaceCells(old, row);
    else unseen += 1;
  }
  if (!known.size && unseen) return load(list);
  const bar = list.querySelector('[data-ms-new]');
  bar.hidden = unseen === 0;
  bar.querySelector('[data-ms-new-count]').textContent = String(unseen);
  show(list);
};

const replaceCells = (old, fresh) => {
  if (old.contains(document.activeElement)) return;
  let changed = false;
  const cells = [...fresh.children];
  [...old.children].forEach((cell, index) => {
    const next = cells[index];
    if (!next || cell.classList.contains('ms-cell-check') || cell.dataset.plain === next.innerHTML) return;
    if (plain(cell) !== plain(next)) changed = true;
    cell.dataset.plain = next.innerHTML;
    if (plain(cell) !== plain(next)) cell.replaceChildren(...next.childNodes);
  });
  if (!changed) return;
  old.classList.remove('ms-changed');
  requestAnimationFrame(() => old.classList.add('ms-changed'));
};

/** The content of a cell with instants spelt by their value, so that "3 min ago" is no change. */
const plain = (cell) => {
  const copy = cell.cloneNode(true);
  for (const time of copy.querySelectorAll('time')) time.replaceWith(time.getAttribute('datetime'));
  return copy.innerHTML;
};

const load = (list) => htmx.ajax('GET', location.href, { target: `#${list.id}`, swap: 'outerMorph' });

const columns = (form) => {
  const keys = [...form.querySelectorAll('[data-ms-column]:checked')].map((box) => box.value);
  const input = document.createElement('input');
  input.type = 'hidden';
  input.name = 'cols';
  input.value = keys.join(',');
  form.append(input);
};

const onClick = (event) => {
  const target = event.target instanceof Element ? event.target : null;
  const again = target?.closest('[data-ms-reselect]');
  if (again) reselect(again);
  if (target?.closest('[data-ms-refresh], [data-ms-reselect]')) document.querySelectorAll('[data-ms-list]').forEach(load);
  const list = target?.closest('[data-ms-list]');
  if (!list) return;
  const box = target.closest('[data-ms-select]');
  if (box) choose(list, box, event.shiftKey);
  const page = target.closest('[data-ms-select-page]');
  if (page) choosePage(list, page.checked);
  if (target.closest('[data-ms-select-all]')) { everything.add(list.dataset.msList); show(list); }
  if (target.closest('[data-ms-clear]')) clear(list);
  if (target.closest('[data-ms-load-new]')) load(list);
  const act = target.closest('[data-ms-act]');
  if (act) plan(list, act.getAttribute('data-ms-act'));
};

const reselect = (button) => {
  const name = button.closest('[data-ms-report]').dataset.msReport;
  everything.delete(name);
  chosen.set(name, new Set(button.getAttribute('data-ms-reselect').trim().split(' ')));
  button.closest('dialog').close();
};

const finish = () => {
  // A report means that the act was done: the rows are no longer waiting to be acted on.
  const report = document.querySelector('#ms-dialog [data-ms-report]');
  if (!report || report.dataset.seen) return;
  report.dataset.seen = '1';
  chosen.get(report.dataset.msReport)?.clear();
  everything.delete(report.dataset.msReport);
  showAll();
};

export const startLists = () => {
  showAll();
  document.addEventListener('click', onClick);
  document.addEventListener('htmx:after:swap', () => { finish(); showAll(); });
  document.addEventListener('submit', (event) => { if (event.target.matches('[data-ms-columns]')) columns(event.target); }, true);
  document.addEventListener('ms:changed', (event) => {
    for (const list of document.querySelectorAll('[data-ms-list-topic]')) if (event.detail.topics.has(list.dataset.msListTopic)) refresh(list);
  });
};
