"use strict";
(function () {
	var sealed = document.getElementById("sealed").value;
	try {
		sessionStorage.setItem("osc-gateway-kept", sealed);
		if (sessionStorage.getItem("osc-gateway-kept") !== sealed) {
			return;
		}
	} catch (blocked) {
		return;
	}
	document.getElementById("lost").hidden = true;
	document.getElementById("kept").hidden = false;
})();
