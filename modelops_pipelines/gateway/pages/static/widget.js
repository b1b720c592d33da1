// Puts the form for feedback on one prediction into a page of yours:
//   <script src="https://GATEWAY/ui/widget.js" data-endpoint="NAME" data-key="KEY" data-prediction="ID" async></script>
// or, for predictions that come later: modelopsFeedback(element, {endpoint, key, prediction}).
// The key stands in the page: give it the role "feedback" alone, for this endpoint.
"use strict";
(() => {
  const script = document.currentScript;
  const gateway = new URL("widget/", script.src);

  window.modelopsFeedback = (where, { endpoint, key, prediction, title = "Feedback on this prediction" }) => {
    const frame = document.createElement("iframe");
    const address = new URL(encodeURIComponent(endpoint), gateway);
    address.search = new URLSearchParams({ key, prediction_id: prediction });
    Object.assign(frame, { src: address.href, title, width: "100%", height: "260" });
    frame.setAttribute("frameborder", "0");
    where.append(frame);
    return frame;
  };

  const { endpoint, key, prediction, title } = script.dataset;
  if (!prediction) return;
  const place = document.createElement("div");
  script.after(place);
  window.modelopsFeedback(place, { endpoint, key, prediction, title });
})();
