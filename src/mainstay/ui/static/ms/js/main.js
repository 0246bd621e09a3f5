// The entry of every page. Behaviour is delegated from the document, so swapped fragments need no set-up of their own.
import { startDialogs } from './dialogs.js';
import { startForms } from './forms.js';
import { startKeys } from './keys.js';
import { startLists } from './list.js';
import { startLive } from './live.js';
import { startPalette } from './palette.js';
import { startPreferences } from './preferences.js';
import { startState } from './state.js';
import { startTimes } from './times.js';
import { startToasts } from './toasts.js';

startPreferences();
startTimes();
startToasts();
startForms();
startDialogs();
startLists();
startPalette();
startKeys();
startLive();
startState();

// Charts are 22 kB on their own: only pages that have one load them.
const loadCharts = () => {
  if (document.querySelector('ms-chart') && !customElements.get('ms-chart')) import('./chart.js');
};
loadCharts();
document.addEventListener('htmx:after:swap', loadCharts);
