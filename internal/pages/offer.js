"use strict";
(function () {
	var asks = document.getElementById("again") !== null;
	function forget() {
		try {
			sessionStorage.removeItem("osc-gateway-kept");
		} catch (blocked) {
			// It was never there.
		}
	}
	if (!asks) {
		forget();
		return;
	}
	document.addEventListener("submit", forget);
	document.getElementById("discard").addEventListener("click", forget);
})();
