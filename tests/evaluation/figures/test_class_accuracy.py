import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_confusion_matrix

from segsr.classes import CLASSES
from segsr.errors import SegSRError
from segsr.evaluation.figures.canvas import PAGE, write_figure
from segsr.evaluation.figures.class_accuracy import accuracy_per_class, draw_class_accuracy

NAMES = ("sky", "road", "tree", "bird")
OURS = np.array([[6, 2, 0, 0], [5, 5, 10, 0], [0, 1, 3, 0], [0, 0, 0, 0]])
THEIRS = np.array([[2, 6, 0, 0], [0, 20, 0, 0], [4, 0, 0, 0], [0, 0, 0, 0]])


def test_accuracy_is_the_share_of_the_true_pixels():
    np.testing.assert_allclose(accuracy_per_class(OURS), [6 / 8, 5 / 20, 3 / 4, np.nan])


def test_accuracy_is_that_of_torchmetrics():
    generator = torch.Generator().manual_seed(0)
    predicted, true = torch.randint(6, (2, 500), generator=generator)
    confusion = multiclass_confusion_matrix(predicted, true, num_classes=6)
    expected = multiclass_accuracy(predicted, true, num_classes=6, average="none")
    np.testing.assert_allclose(accuracy_per_class(confusion), expected, rtol=1e-6)


def test_bars_are_percent_commonest_class_first(inside):
    figure = draw_class_accuracy({"ours": OURS, "theirs": torch.from_numpy(THEIRS)}, NAMES)
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.get_xticklabels()] == ["road", "sky", "tree"]
    heights = [[bar.get_height() for bar in bars] for bars in axes.containers]
    np.testing.assert_allclose(heights, [[25, 75, 75], [100, 25, 0]])
    ours, theirs = axes.containers
    for tick, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        assert a.get_x() + a.get_width() == pytest.approx(tick)  # side by side about their tick
        assert b.get_x() == pytest.approx(tick)
    assert ours[0].get_facecolor() != theirs[0].get_facecolor()
    assert axes.get_ylim() == (0, 100)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["ours, mean 58.3", "theirs, mean 41.7"]
    assert inside(figure)


def test_a_method_without_a_class_has_no_bar_there():
    lacking = THEIRS.copy()
    lacking[2] = 0
    figure = draw_class_accuracy({"ours": OURS, "theirs": lacking}, NAMES)
    heights = [bar.get_height() for bar in figure.axes[0].containers[1]]
    np.testing.assert_allclose(heights, [100, 25, np.nan])
    assert figure.legends[0].get_texts()[1].get_text() == "theirs, mean 62.5"


def test_all_classes_and_many_methods_stay_readable(inside):
    matrix = np.eye(len(CLASSES)) * 10
    figure = draw_class_accuracy({f"method {i}": matrix for i in range(9)})
    assert figure.get_size_inches()[0] == PAGE
    looks = {(bars[0].get_facecolor(), bars[0].get_hatch()) for bars in figure.axes[0].containers}
    assert len(looks) == 9
    assert inside(figure)
    figure.draw_without_rendering()
    labels = [text.get_window_extent() for text in figure.axes[0].get_xticklabels()]
    assert len(labels) == len(CLASSES)


def test_the_pdf_is_lines_without_a_bitmap(tmp_path):
    pdf, png = write_figure(draw_class_accuracy({"ours": OURS}, NAMES), tmp_path / "bars")
    assert b"/Subtype /Image" not in pdf.read_bytes()
    assert png.stat().st_size > 1000


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(SegSRError, match=r"ours: the confusion matrix is 4x4.* 3 classes"):
        draw_class_accuracy({"ours": OURS}, NAMES[:3])
    with pytest.raises(SegSRError, match="no class has a true pixel"):
        draw_class_accuracy({"ours": 0 * OURS}, NAMES)
    with pytest.raises(SegSRError, match="no class has a true pixel"):
        draw_class_accuracy({}, NAMES)
