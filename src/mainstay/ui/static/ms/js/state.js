// Title and icon of the tab carry the worst state and how many alerts nobody has taken.

const bare = document.title;
const icon = document.getElementById('ms-favicon');
const well = icon?.href;

const show = ({ tone, count }) => {
  document.title = count ? `(${count}) ${bare}` : bare;
  if (icon) icon.href = icon.getAttribute(`data-${tone}`) || well;
};

const ask = async () => {
  const address = document.querySelector('meta[name="ms-state"]')?.content;
  if (!address || document.hidden) return;
  const answer = await fetch(address, { headers: { Accept: 'application/json' } }).catch(() => null);
  if (answer?.ok) show(await answer.json());
};

export const startState = () => {
  ask();
  document.addEventListener('ms:changed', (event) => { if (event.detail.topics.has('alert')) ask(); });
};
