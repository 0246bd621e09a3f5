// Native dialogs and menus: confirmation before an act, plan and report of a bulk act, the column on a phone.

import { say } from './words.js';

let confirmed = null;

const askFirst = (event) => {
  const form = event.target;
  const text = form.getAttribute('data-ms-confirm');
  if (!text || confirmed === form) {
    confirmed = null;
    return;
  }
  event.preventDefault();
  event.stopImmediatePropagation();
  const dialog = document.getElementById('ms-confirm');
  dialog.querySelector('[data-ms-confirm-text]').textContent = text;
  dialog.querySelector('[data-ms-confirm-yes]').textContent = event.submitter?.textContent.trim() || say('go-on');
  dialog.returnValue = '';
  dialog.onclose = () => {
    if (dialog.returnValue !== 'yes') return;
    confirmed = form;
    form.requestSubmit(event.submitter);
  };
  dialog.showModal();
};

const closeMenus = (except) => {
  for (const menu of document.querySelectorAll('details.ms-menu[open]')) if (!menu.contains(except)) menu.open = false;
};

const toggleColumn = (button) => {
  const side = document.getElementById('ms-side');
  const open = side.classList.toggle('ms-open');
  button.setAttribute('aria-expanded', String(open));
  if (open) side.querySelector('a').focus();
};

export const startDialogs = () => {
  document.addEventListener('submit', askFirst, true);
  document.addEventListener('click', (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (!target) return;
    closeMenus(target);
    const column = target.closest('[data-ms-menu]');
    if (column) toggleColumn(column);
    else if (!target.closest('#ms-side')) document.getElementById('ms-side')?.classList.remove('ms-open');
    if (target.closest('[data-ms-close]')) target.closest('dialog')?.close();
    if (target.closest('[data-ms-keys]')) document.getElementById('ms-keys').showModal();
  });
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    const menu = event.target instanceof Element && event.target.closest('details.ms-menu[open]');
    if (menu) menu.querySelector('summary').focus();
    closeMenus(null);
  });
  document.addEventListener('htmx:after:swap', () => {
    const dialog = document.getElementById('ms-dialog');
    if (dialog?.firstElementChild && !dialog.open) dialog.showModal();
  });
};
