// Runs before the first paint, so that a chosen theme does not flash. theme_choice.tsx writes the choice.
try {
  const choice = localStorage.getItem('millrace.theme');
  if (choice === 'light' || choice === 'dark') document.documentElement.dataset.theme = choice;
} catch {
  // Storage may be forbidden; the system's theme applies.
}
