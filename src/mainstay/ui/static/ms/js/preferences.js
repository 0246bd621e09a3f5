// Colours, density and time zone: cookies without content, so that the server renders the right page at once.

const YEAR_S = 31536000;

/** @param {string} name @param {string} value */
const remember = (name, value) => {
  document.cookie = `${name}=${encodeURIComponent(value)}; path=/; max-age=${YEAR_S}; SameSite=Lax`;
};

/** The set-up list can be put away and had back; what is ticked on it is measured, never remembered. */
const onSetup = (button) => {
  remember('ms_setup', button.getAttribute('data-ms-setup'));
  if (button.getAttribute('data-ms-setup') === 'away') document.getElementById('setup')?.remove();
  else location.reload();
};

export const startPreferences = () => {
  remember('ms_scope', document.documentElement.dataset.scope ?? '');
  remember('ms_zone', Intl.DateTimeFormat().resolvedOptions().timeZone);
  document.addEventListener('click', (event) => {
    const setup = event.target instanceof Element && event.target.closest('[data-ms-setup]');
    if (setup) return onSetup(setup);
    const button = event.target instanceof Element && event.target.closest('[data-ms-theme], [data-ms-density]');
    if (!button) return undefined;
    const kind = button.hasAttribute('data-ms-theme') ? 'theme' : 'density';
    const value = button.getAttribute(`data-ms-${kind}`);
    document.documentElement.dataset[kind] = value;
    remember(`ms_${kind}`, value);
    for (const other of document.querySelectorAll(`[data-ms-${kind}]`)) other.setAttribute('aria-pressed', String(other === button));
    document.dispatchEvent(new CustomEvent('ms:preferences'));
    return undefined;
  });
};
