"use strict";
(function () {
	var form = document.getElementById("again");
	function forget() {
		try {
			sessionStorage.removeItem("osc-gateway-kept");
		} catch (blocked) {
			// It was never there.
		}
	}
	if (form === null) {
		forget();
		return;
	}
	form.addEventListener("submit", forget);
	document.getElementById("discard").addEventListener("click", forget);
})();
