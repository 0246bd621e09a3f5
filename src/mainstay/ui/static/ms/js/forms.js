// Every form that changes something carries the CSRF token and one idempotency key: a second click is the same request.

import { say } from './words.js';

const token = () => document.querySelector('meta[name="ms-csrf"]')?.content ?? '';

/** @param {HTMLFormElement} form @param {string} name @param {string} value */
const ensure = (form, name, value) => {
  if (form.querySelector(`input[name="${name}"]`)) return;
  const input = document.createElement('input');
  input.type = 'hidden';
  input.name = name;
  input.value = value;
  form.append(input);
};

const complete = (form) => {
  if (form.method.toLowerCase() !== 'post') return;
  ensure(form, 'csrfmiddlewaretoken', token());
  ensure(form, 'idempotency_key', crypto.randomUUID());
};

const copy = async (button) => {
  await navigator.clipboard.writeText(button.getAttribute('data-ms-copy'));
  button.setAttribute('data-ms-copied', '');
  const label = button.querySelector('.ms-hidden');
  if (label) label.textContent = say('copied');
};

const SENDS = ['public', 'internal', 'co_managed'];

/** Public and internal differ by colour, words and button: nobody sends a note to a client by mistake. */
const dress = (form) => {
  const choice = form?.querySelector('select[name="visibility"]');
  const button = form?.querySelector('.ms-form-foot .ms-primary');
  if (!choice || !button) return;
  form.dataset.visibility = choice.value;
  if (SENDS.includes(choice.value)) button.textContent = say(`send-${choice.value}`);
};

const compose = (button) => {
  const form = button.closest('.ms-card')?.querySelector('form.ms-form');
  const choice = form?.querySelector('select[name="visibility"]');
  if (!choice) return;
  choice.value = button.getAttribute('data-ms-compose');
  dress(form);
  form.querySelector('textarea')?.focus();
};

export const startForms = () => {
  document.querySelectorAll('form.ms-form').forEach(dress);
  document.addEventListener('change', (event) => { if (event.target.name === 'visibility') dress(event.target.form); });
  // Captured, so that the fields are there before htmx or the browser reads the form.
  document.addEventListener('submit', (event) => complete(event.target), true);
  document.addEventListener('htmx:config:request', (event) => {
    const { request } = event.detail.ctx;
    if (request.method !== 'GET') request.headers['X-CSRFToken'] = token();
  });
  document.addEventListener('click', (event) => {
    const button = event.target instanceof Element && event.target.closest('[data-ms-copy]');
    if (button) copy(button);
    const composer = event.target instanceof Element && event.target.closest('[data-ms-compose]');
    if (composer) compose(composer);
  });
  document.querySelector('[data-ms-focus]')?.focus();
};
