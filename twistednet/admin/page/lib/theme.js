// Applies the saved theme. A classic script in the head, so that it runs before the first paint
// and a dark page does not flash.
"use strict";
{
  const chosen = localStorage.getItem("theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
}
