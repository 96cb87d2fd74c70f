"""What only training needs: a teacher to imitate, and losses that look at pictures."""
