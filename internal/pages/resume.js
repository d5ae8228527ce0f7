"use strict";
(function () {
	var form = document.getElementById("resume");
	var sealed = null;
	try {
		sealed = sessionStorage.getItem("osc-gateway-kept");
	} catch (blocked) {
		// There is nothing, then.
	}
	if (sealed === null) {
		return;
	}
	document.getElementById("nothing").hidden = true;
	form.elements.kept.value = sealed;
	form.submit();
})();
